/// A TCP connection between the detectors of two ranks: both say hello, then frames go both ways, each with its tag.
///
/// The other end has shown that it is of the run with the first frame that is accepted, and not before.
final class LinkConnection {
  enum Event {
    /// The other end has said which rank it is. It has not proved it.
    case hello
    /// The first frame was accepted.
    case authenticated
    case frame(Frame)
  }

  /// More bytes that have not left: the link carries nothing any more.
  private static let unsentAtMost = 1 << 20

  let socket: Socket
  let began: Double
  private let key: RunKey
  private let worldSize: Int
  private let ownHello: Hello
  /// The rank that was called; nil for a connection that came in.
  private let expectedRank: Int?
  private(set) var isConnected: Bool
  private(set) var otherRank: Int?
  private(set) var isAuthenticated = false
  private var authentication: FrameAuthentication?
  private var unsent: [UInt8] = []
  private var received: [UInt8] = []

  /// A connection in the making, to `rank`.
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

  /// Whether the system should say when the socket can be written to.
  var waitsToWrite: Bool { !isConnected || !unsent.isEmpty }

  /// Sends a frame; one without records is left out if those before it have not left yet.
  ///
  /// - Returns: false when the connection is gone.
  func send(_ frame: Frame) -> Bool {
    guard authentication != nil, !frame.records.isEmpty || unsent.isEmpty else { return true }
    guard let sealed = authentication?.seal(frame.bytes) else { return true }
    unsent += sealed
    return unsent.count <= Self.unsentAtMost && flush()
  }

  /// The socket can be written to.
  ///
  /// - Returns: false when the connection is gone.
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

  /// Something has come, or the connection has ended.
  ///
  /// - Parameter heartbeat: what to answer a hello with, so that the other end knows who this is.
  /// - Returns: what has come; nil when the connection has ended or breaks the protocol.
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
      // Also where the hello has not left yet.
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
