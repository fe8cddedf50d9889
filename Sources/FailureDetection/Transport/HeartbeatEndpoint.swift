import Foundation

/// The endpoint at which neighbours reach a rank's failure detector: sockets that listen on the addresses used by the
/// run.
public final class HeartbeatEndpoint {
  package let listeners: [Socket]
  let location: RankLocation
  /// Address and port of each listener, for the other ranks; empty if none could be opened.
  public let text: String

  /// - Parameters:
  ///   - location: this rank's location.
  ///   - others: the locations of all ranks, which may include this one.
  public init(_ location: RankLocation, others: [RankLocation]) {
    self.location = location
    let all = location.listeningAddresses(for: others).compactMap { address in
      Socket.listening(at: address).map { (address: address, socket: $0.socket, port: $0.port) }
    }
    listeners = all.map(\.socket)
    text = all.map { "\($0.address):\($0.port)" }.joined(separator: " ")
  }

  /// The routes to another rank's endpoint, the most promising first.
  package func ways(to text: String, at other: RankLocation) -> [(address: String, port: UInt16)] {
    let all = text.split(separator: " ").compactMap { item -> (address: String, port: UInt16)? in
      let parts = item.split(separator: ":")
      guard parts.count == 2, let port = UInt16(parts[1]) else { return nil }
      return (String(parts[0]), port)
    }
    let loopback = "127.0.0.1"
    if other.networkStack == location.networkStack {
      return all.filter { $0.address == loopback } + all.filter { $0.address != loopback }
    }
    let remote = all.filter { $0.address != loopback }
    func isNear(_ address: String) -> Bool { location.addresses.contains { $0.isNeighbour(address) } }
    return remote.filter { isNear($0.address) } + remote.filter { !isNear($0.address) }
  }
}
