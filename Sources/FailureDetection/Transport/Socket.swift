import Foundation

/// A non-blocking TCP socket with its unique owner.
package final class Socket {
  package let descriptor: Int32

  private init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    var one: Int32 = 1
    // Heartbeats are small and urgent; after a short network outage they must be resent without exponential backoff.
    for option in [TCP_NODELAY, TCP_THIN_LINEAR_TIMEOUTS] {
      setsockopt(descriptor, Int32(IPPROTO_TCP), option, &one, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  deinit { close(descriptor) }

  private static func make(_ type: __socket_type = SOCK_STREAM) -> Int32 {
    socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  }

  /// Calls `body` with the parsed `address`; returns -1 if it is invalid.
  private static func with(
    _ address: String, port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_port = port.bigEndian
    guard inet_pton(AF_INET, address, &target.sin_addr) == 1 else { return -1 }
    return withUnsafePointer(to: target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// The local address of the socket.
  private static func name(of descriptor: Int32) -> sockaddr_in? {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    return code == 0 ? address : nil
  }

  /// Listens on `address`, on a port chosen by the system; returns nil on failure.
  static func listening(at address: String) -> (socket: Socket, port: UInt16)? {
    let descriptor = make()
    guard descriptor >= 0 else { return nil }
    let socket = Socket(adopting: descriptor)
    guard with(address, port: 0, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, SOMAXCONN) == 0,
      let name = name(of: descriptor)
    else { return nil }
    return (socket, UInt16(bigEndian: name.sin_port))
  }

  /// Starts a connection, which is established once the socket is writable and its `error` is 0.
  package static func connecting(to address: String, port: UInt16) -> Socket? {
    let descriptor = make()
    guard descriptor >= 0 else { return nil }
    let socket = Socket(adopting: descriptor)
    let code = with(address, port: port) { connect(descriptor, $0, $1) }
    return code == 0 || errno == EINPROGRESS ? socket : nil
  }

  /// The source address of packets sent to `address`; nil if there is no route. Nothing is sent.
  package static func sourceAddress(to address: String) -> String? {
    let descriptor = make(SOCK_DGRAM)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    guard with(address, port: 9, { connect(descriptor, $0, $1) }) == 0,
      var name = name(of: descriptor)?.sin_addr
    else { return nil }
    var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
    guard inet_ntop(AF_INET, &name, &text, socklen_t(text.count)) != nil else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Accepts the next connection to this listening socket, if any.
  func accepted() -> Socket? {
    let one = accept(descriptor, nil, nil)
    guard one >= 0 else { return nil }
    _ = fcntl(one, F_SETFL, O_NONBLOCK)
    _ = fcntl(one, F_SETFD, FD_CLOEXEC)
    return Socket(adopting: one)
  }

  /// Why the connection could not be established; 0 if it was.
  package var error: Int32 {
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno
  }

  /// Sends as many of `bytes` as the system accepts now, and returns their number; nil if the connection is lost.
  package func send(_ bytes: ArraySlice<UInt8>) -> Int? {
    let count = bytes.withUnsafeBytes {
      Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count >= 0 { return count }
    return [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) ? 0 : nil
  }

  /// The bytes received so far, possibly none; nil if the connection is lost.
  package func receive() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    if count > 0 { return Array(bytes[..<count]) }
    return count < 0 && [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) ? [] : nil
  }
}
