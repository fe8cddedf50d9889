import Foundation

/// An address of an interface, with the part of it that its network shares.
package struct NetworkAddress {
  /// Such as `eth0`.
  package let interface: String
  /// Such as `10.0.0.1`.
  package let text: String
  /// How many of its first bits its network shares.
  package var prefixLength: Int { mask.nonzeroBitCount }
  /// In the processor's byte order.
  private let network: UInt32
  private let mask: UInt32

  /// Those of this host's interfaces that are up and lead elsewhere.
  package static var own: [NetworkAddress] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var result: [NetworkAddress] = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      let flags = Int(entry.ifa_flags)
      guard let address = entry.ifa_addr, let mask = entry.ifa_netmask,
        address.pointee.sa_family == sa_family_t(AF_INET), flags & IFF_UP != 0, flags & IFF_LOOPBACK == 0
      else { continue }
      result.append(
        NetworkAddress(String(cString: entry.ifa_name), number(address), mask: number(mask)))
    }
    return result
  }

  private static func number(_ address: UnsafeMutablePointer<sockaddr>) -> UInt32 {
    address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
      UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
    }
  }

  private init(_ interface: String, _ number: UInt32, mask: UInt32) {
    self.interface = interface
    text = Self.text(number)
    self.mask = mask
    network = number & mask
  }

  private static func text(_ number: UInt32) -> String {
    [24, 16, 8, 0].map { "\(number >> $0 & 255)" }.joined(separator: ".")
  }

  /// Whether `address`, a text, is of the same network.
  func isNeighbour(_ address: String) -> Bool {
    let parts = address.split(separator: ".").compactMap { UInt32($0) }
    guard parts.count == 4 else { return false }
    return parts.reduce(0) { $0 << 8 | $1 } & mask == network
  }
}
