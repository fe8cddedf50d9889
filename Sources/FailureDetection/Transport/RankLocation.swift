import Foundation

/// Where a rank runs, as the others need to know it to be reached by it: the network stack, and its addresses.
public struct RankLocation: Sendable {
  /// The same for all processes that reach each other at 127.0.0.1, and no others.
  package let networkStack: String
  package let addresses: [NetworkAddress]

  /// This process's.
  ///
  /// - Parameter environment: where Open MPI's parameters are looked for.
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

  /// For the other ranks.
  public var text: String {
    ([networkStack] + addresses.map { "\($0.text)/\($0.prefixLength)" }).joined(separator: " ")
  }

  /// What `text` gave on another rank.
  public init(_ text: String) {
    let parts = text.split(separator: " ").map(String.init)
    networkStack = parts.first ?? ""
    addresses = parts.dropFirst().compactMap { part in
      let halves = part.split(separator: "/").map(String.init)
      guard halves.count == 2, let length = Int(halves[1]) else { return nil }
      return NetworkAddress(interface: "", address: halves[0], prefixLength: length)
    }
  }

  /// The addresses at which this rank can be reached by others, and at no more: 127.0.0.1 for those on the same host; for
  /// those elsewhere one on a network in common, or, where there is none, the one from which packets to them leave.
  ///
  /// - Parameter source: the address from which packets to another one leave.
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
