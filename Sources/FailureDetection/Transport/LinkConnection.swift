/// A TCP connection between the detectors of two ranks. Both send a hello, then authenticated frames.
///
/// The peer is only authenticated as a rank of this run once its first frame has been accepted.
final class LinkConnection {
  enum Event {
    /// The peer has stated its rank, without proof so far.
    case hello
    /// The peer's first frame was accepted.
    case authenticated
    case frame(Frame)
  }

  /// With more unsent bytes than this, the link is considered broken.
  private static let unsentAtMost = 1 << 20

  let socket: Socket
  let began: Double
  private let key: RunKey
  private let worldSize: Int
  private let ownHello: Hello
  /// The rank that this connection was opened to; nil for an incoming connection.
  private let expectedRank: Int?
  private(set) var isConnected: Bool
  private(set) var otherRank: Int?
  private(set) var isAuthenticated = false
  private var authentication: FrameAuthentication?
  private var unsent: [UInt8] = []
  private var received: [UInt8] = []

  /// An outgoing connection to `rank`, still being established.
  init(to rank: Int, _ socket: Socket, own: Int, key: RunKey, worldSize: Int, now: Double) {
    self.socket = socket
    self.key = key
    self.worldSize = worldSize
    expectedRank = rank
    ownHello = Hello(rank: own)
    isConnected = false
    began = now
    unsent = ownHello.bytes
  }

  /// An incoming connection. Nothing is sent on it before the peer's hello.
  init(from socket: Socket, own: Int, key: RunKey, worldSize: Int, now: Double) {
    self.socket = socket
    self.key = key
    self.worldSize = worldSize
    expectedRank = nil
    ownHello = Hello(rank: own)
    isConnected = true
    began = now
  }

  /// Whether to poll the socket for writability.
  var waitsToWrite: Bool { !isConnected || !unsent.isEmpty }

  /// Sends a frame. A frame without records is dropped if earlier ones are still unsent.
  ///
  /// - Returns: false if the connection is lost.
  func send(_ frame: Frame) -> Bool {
    guard authentication != nil, !frame.records.isEmpty || unsent.isEmpty else { return true }
    guard let sealed = authentication?.seal(frame.bytes) else { return true }
    unsent += sealed
    return unsent.count <= Self.unsentAtMost && flush()
  }

  /// Handles a writable socket.
  ///
  /// - Returns: false if the connection is lost.
  func becameWritable() -> Bool {
    if !isConnected {
      guard socket.error == 0 else { return false }
      isConnected = true
    }
    return flush()
  }

  private func flush() -> Bool {
    guard isConnected, !unsent.isEmpty else { return true }
    guard let count = socket.send(unsent[...]) else { return false }
    unsent.removeFirst(count)
    return true
  }

  /// Handles a readable socket: new data, or the end of the connection.
  ///
  /// - Parameter heartbeat: the frame to answer a hello with, which authenticates this end.
  /// - Returns: the events received; nil if the connection has ended or violates the protocol.
  func becameReadable(heartbeat: Frame) -> [Event]? {
    guard let bytes = socket.receive() else { return nil }
    received += bytes
    var events: [Event] = []
    if authentication == nil {
      guard received.count >= Hello.byteCount else { return events }
      guard let hello = Hello(received.prefix(Hello.byteCount), worldSize: worldSize),
        hello.rank != ownHello.rank, expectedRank == nil || expectedRank == hello.rank
      else { return nil }
      received.removeFirst(Hello.byteCount)
      otherRank = hello.rank
      if expectedRank == nil { unsent += ownHello.bytes }
      authentication = FrameAuthentication(key, own: ownHello, other: hello)
      // Appended even if the hello has not been sent yet.
      unsent += authentication?.seal(heartbeat.bytes) ?? []
      guard flush() else { return nil }
      events.append(.hello)
    }
    var used = 0
    defer { received.removeFirst(used) }
    while true {
      switch authentication?.open(received[used...]) {
      case .payload(let payload, let byteCount):
        guard let frame = Frame(payload, worldSize: worldSize) else { return nil }
        used += byteCount
        if !isAuthenticated {
          isAuthenticated = true
          events.append(.authenticated)
        }
        events.append(.frame(frame))
      case .refused: return nil
      case .incomplete, nil: return events
      }
    }
  }
}
