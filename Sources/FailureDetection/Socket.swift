import Foundation

/// The one owner of a TCP socket that never blocks.
final class Socket {
  let descriptor: Int32

  private init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    var one: Int32 = 1
    // Heartbeats are small and due now.
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(descriptor) }

  private static func make() -> Int32 {
    socket(
      AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  }

  /// Listens on a port of the system's choice; nil where that cannot be had.
  static func listening() -> (socket: Socket, port: UInt16)? {
    let descriptor = make()
    guard descriptor >= 0 else { return nil }
    let socket = Socket(adopting: descriptor)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, SOMAXCONN) == 0
          && getsockname(descriptor, $0, &size) == 0
      }
    }
    return isListening ? (socket, UInt16(bigEndian: address.sin_port)) : nil
  }

  /// A connection in the making: it has come about when the socket can be written to and has no `error`.
  static func connecting(to address: String, port: UInt16) -> Socket? {
    let descriptor = make()
    guard descriptor >= 0 else { return nil }
    let socket = Socket(adopting: descriptor)
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_port = port.bigEndian
    guard inet_pton(AF_INET, address, &target.sin_addr) == 1 else { return nil }
    let code = withUnsafePointer(to: target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return code == 0 || errno == EINPROGRESS ? socket : nil
  }

  /// The next one who has connected to this listening socket.
  func accepted() -> Socket? {
    let one = accept(descriptor, nil, nil)
    guard one >= 0 else { return nil }
    _ = fcntl(one, F_SETFL, O_NONBLOCK)
    _ = fcntl(one, F_SETFD, FD_CLOEXEC)
    return Socket(adopting: one)
  }

  /// Why the connection did not come about; 0 if it did.
  var error: Int32 {
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 ? code : errno
  }

  /// How many of `bytes` the system takes now; nil when the connection is gone.
  func send(_ bytes: ArraySlice<UInt8>) -> Int? {
    let count = bytes.withUnsafeBytes {
      Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count >= 0 { return count }
    return [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) ? 0 : nil
  }

  /// What has come; nil when the connection is gone.
  func receive() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    if count > 0 { return Array(bytes[..<count]) }
    return count < 0 && [EAGAIN, EWOULDBLOCK, EINTR].contains(errno) ? [] : nil
  }
}
