import Foundation

/// Where the neighbours of a rank reach its failure detector: sockets that listen at the addresses that the run uses.
public final class HeartbeatEndpoint {
  package let listeners: [Socket]
  let location: RankLocation
  /// Address and port of each, for the other ranks; empty where none can be had.
  public let text: String

  /// - Parameters:
  ///   - location: this rank's.
  ///   - others: all ranks', this one's may be among them.
  public init(_ location: RankLocation, others: [RankLocation]) {
    self.location = location
    let all = location.listeningAddresses(for: others).compactMap { address in
      Socket.listening(at: address).map { (address: address, socket: $0.socket, port: $0.port) }
    }
    listeners = all.map(\.socket)
    text = all.map { "\($0.address):\($0.port)" }.joined(separator: " ")
  }

  /// The ways to another rank's endpoint, the most promising first.
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
