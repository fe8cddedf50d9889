import Foundation

/// The IPv4 address of an interface, with its network.
package struct NetworkAddress: Equatable, Sendable {
  /// The interface name, such as `eth0`.
  package let interface: String
  /// The address in host byte order.
  private let number: UInt32
  /// The number of leading bits that identify the network.
  package let prefixLength: Int

  /// The address in dotted notation, such as `10.0.0.1`.
  package var text: String { [24, 16, 8, 0].map { "\(number >> $0 & 255)" }.joined(separator: ".") }

  /// Parses, for example, `eth0`, `10.0.0.1`, 24; returns nil if the address is invalid.
  package init?(interface: String, address: String, prefixLength: Int) {
    guard let number = Self.number(address), (0...32).contains(prefixLength) else { return nil }
    self.init(interface, number, prefixLength)
  }

  private init(_ interface: String, _ number: UInt32, _ prefixLength: Int) {
    self.interface = interface
    self.number = number
    self.prefixLength = prefixLength
  }

  /// The addresses of this host's interfaces that are up, except for loopback.
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
        NetworkAddress(String(cString: entry.ifa_name), number(address), number(mask).nonzeroBitCount))
    }
    return result
  }

  private static func number(_ address: UnsafeMutablePointer<sockaddr>) -> UInt32 {
    address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
      UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
    }
  }

  private static func number(_ text: some StringProtocol) -> UInt32? {
    var address = in_addr()
    guard inet_pton(AF_INET, String(text), &address) == 1 else { return nil }
    return UInt32(bigEndian: address.s_addr)
  }

  private static func mask(_ prefixLength: Int) -> UInt32 {
    prefixLength == 0 ? 0 : ~UInt32(0) << (32 - UInt32(prefixLength))
  }

  /// Whether `address`, in dotted notation, is in the same network.
  package func isNeighbour(_ address: String) -> Bool {
    guard let other = Self.number(address) else { return false }
    return (number ^ other) & Self.mask(prefixLength) == 0
  }

  /// Whether `list` contains this address: comma-separated interface names or networks such as `10.0.0.0/24`, as in
  /// Open MPI's parameters.
  func isNamed(in list: String) -> Bool {
    list.split(separator: ",").contains { item in
      let parts = item.split(separator: "/")
      guard parts.count == 2, let length = Int(parts[1]), (0...32).contains(length),
        let network = Self.number(parts[0])
      else { return item == interface }
      return (number ^ network) & Self.mask(length) == 0
    }
  }

  /// The subset of `addresses` that Open MPI is configured to use by the environment (`btl_tcp_if_include` and
  /// similar), or all of them if that would leave none.
  package static func chosen(
    from addresses: [NetworkAddress], environment: [String: String]
  ) -> [NetworkAddress] {
    var result = addresses
    let parameters = ["btl_tcp", "oob_tcp"]
    if let list = parameters.compactMap({ environment["OMPI_MCA_\($0)_if_include"] }).first {
      result = addresses.filter { $0.isNamed(in: list) }
    } else if let list = parameters.compactMap({ environment["OMPI_MCA_\($0)_if_exclude"] }).first {
      result = addresses.filter { !$0.isNamed(in: list) }
    }
    return result.isEmpty ? addresses : result
  }
}
