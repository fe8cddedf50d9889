import Foundation

/// Where the other ranks reach this one's watch, before they know each other.
public final class HeartbeatEndpoint {
  let listener: Socket?
  /// Port and addresses, for the other ranks; empty where no port can be had.
  public let text: String

  public init() {
    if let (socket, port) = Socket.listening() {
      listener = socket
      text = (["\(port)"] + NetworkAddress.own.map(\.text)).joined(separator: " ")
    } else {
      listener = nil
      text = ""
    }
  }

  /// The ways to another rank's post, the most promising first.
  ///
  /// - Parameter isOnThisHost: whether that rank's host has the name of this one.
  static func ways(to text: String, isOnThisHost: Bool) -> [(address: String, port: UInt16)] {
    let parts = text.split(separator: " ").map(String.init)
    guard let port = parts.first.flatMap({ UInt16($0) }) else { return [] }
    let own = NetworkAddress.own
    let (near, far) = (
      parts.dropFirst().filter { address in own.contains { $0.isNeighbour(address) } },
      parts.dropFirst().filter { address in !own.contains { $0.isNeighbour(address) } }
    )
    return ((isOnThisHost ? ["127.0.0.1"] : []) + near + far).map { ($0, port) }
  }
}
