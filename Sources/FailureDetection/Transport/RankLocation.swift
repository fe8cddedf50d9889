import Foundation

/// Where a rank runs, as far as other ranks need to know to connect to it: its network stack and addresses.
public struct RankLocation: Sendable {
  /// Identifies the network stack: equal exactly for processes that reach each other at 127.0.0.1.
  package let networkStack: String
  package let addresses: [NetworkAddress]

  /// The location of this process.
  ///
  /// - Parameter environment: searched for Open MPI's parameters.
  public static func own(environment: [String: String]) -> RankLocation {
    let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
    let stack = [boot ?? ProcessInfo.processInfo.hostName, namespace ?? ""].joined(separator: "-")
    return RankLocation(
      networkStack: stack.filter { !$0.isWhitespace },
      addresses: NetworkAddress.chosen(from: NetworkAddress.own, environment: environment))
  }

  init(networkStack: String, addresses: [NetworkAddress]) {
    self.networkStack = networkStack
    self.addresses = addresses
  }

  /// A representation to send to the other ranks.
  public var text: String {
    ([networkStack] + addresses.map { "\($0.text)/\($0.prefixLength)" }).joined(separator: " ")
  }

  /// Parses the `text` of another rank.
  public init(_ text: String) {
    let parts = text.split(separator: " ").map(String.init)
    networkStack = parts.first ?? ""
    addresses = parts.dropFirst().compactMap { part in
      let halves = part.split(separator: "/").map(String.init)
      guard halves.count == 2, let length = Int(halves[1]) else { return nil }
      return NetworkAddress(interface: "", address: halves[0], prefixLength: length)
    }
  }

  /// The addresses on which this rank must listen for the others, and no more: 127.0.0.1 for those on the same host;
  /// for the rest, an address on a shared network or, failing that, the source address of packets sent to them.
  ///
  /// - Parameter source: returns the source address of packets sent to a given address.
  package func listeningAddresses(
    for others: [RankLocation], source: (String) -> String? = Socket.sourceAddress
  ) -> [String] {
    var counts: [String: Int] = [:]
    var seen: Set<String> = []
    for other in others where seen.insert(other.networkStack).inserted {
      if other.networkStack == networkStack {
        counts["127.0.0.1"] = Int.max
        continue
      }
      let shared = addresses.first { own in other.addresses.contains { own.isNeighbour($0.text) } }
      if let text = shared?.text ?? other.addresses.first.flatMap({ source($0.text) }) {
        counts[text, default: 0] += 1
      }
    }
    let order = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    return Array(order.prefix(Self.addressesAtMost))
  }

  private static let addressesAtMost = 4
}
