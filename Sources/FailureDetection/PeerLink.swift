/// The connection to one other rank: it comes about by and by, heartbeats go both ways, and when it ends after both
/// have heard of each other it is not taken up again.
///
/// The higher rank connects to the lower one, trying one way after the other. Who answers with another run's heartbeat,
/// or not at all, is someone else.
final class PeerLink {
  private(set) var peer: Peer
  private let run: UInt64
  private let ways: [(address: String, port: UInt16)]
  private var nextWay = 0
  private(set) var socket: Socket?
  private var isConnected = false
  /// When the present attempt began, or the next one begins.
  private var attempt = 0.0
  private var unsent: ArraySlice<UInt8> = []
  private var received: [UInt8] = []
  /// When anything came, or the connection was lost.
  private var heard = 0.0

  /// Seconds for which one way is tried, and after which all are tried anew.
  private static let patience = 5.0

  /// - Parameter ways: to the peer; none if it comes to us.
  init(_ peer: Peer, run: UInt64, ways: [(address: String, port: UInt16)]) {
    self.peer = peer
    self.run = run
    self.ways = ways
  }

  /// Whether the system should say when the socket can be written to.
  var isConnecting: Bool { socket != nil && !isConnected }

  /// The peer as of `now`.
  func state(now: Double) -> Peer {
    var result = peer
    result.silence = peer.contact == .none ? 0 : now - heard
    return result
  }

  /// Begins to try a way, if it is time to.
  func connectIfDue(now: Double) {
    guard peer.contact == .none, !ways.isEmpty else { return }
    if socket != nil && now - attempt > Self.patience { drop(now: now) }
    guard socket == nil, now >= attempt else { return }
    let way = ways[nextWay]
    nextWay = (nextWay + 1) % ways.count
    attempt = now
    socket = Socket.connecting(to: way.address, port: way.port)
    if socket == nil { drop(now: now) }
  }

  /// Takes a connection that the peer has made, with what has come over it. It makes another one only if it never heard
  /// of us over the one before, and has given that up.
  func adopt(_ socket: Socket, _ bytes: [UInt8], now: Double) {
    self.socket = socket
    isConnected = true
    (unsent, received) = ([], [])
    take(bytes, now: now)
  }

  /// Sends `heartbeat`, unless the one before has not left.
  func send(_ heartbeat: Heartbeat, now: Double) {
    guard let socket, isConnected else { return }
    if unsent.isEmpty { unsent = heartbeat.bytes[...] }
    guard let count = socket.send(unsent) else { return drop(now: now) }
    unsent = unsent.dropFirst(count)
  }

  /// The socket can be written to.
  func becameWritable(_ heartbeat: Heartbeat, now: Double) {
    guard let socket, !isConnected else { return }
    guard socket.error == 0 else { return drop(now: now) }
    isConnected = true
    send(heartbeat, now: now)
  }

  /// Something has come, or the connection has ended.
  func becameReadable(now: Double) {
    guard let socket else { return }
    guard let bytes = socket.receive() else { return drop(now: now) }
    take(bytes, now: now)
  }

  /// Counts the peer's silence from `now` on: this process itself stood still.
  func restart(now: Double) { heard = max(heard, now) }

  private func take(_ bytes: [UInt8], now: Double) {
    received += bytes
    while received.count >= Heartbeat.byteCount {
      guard let heartbeat = Heartbeat(received.prefix(Heartbeat.byteCount)), heartbeat.run == run,
        heartbeat.rank == peer.rank
      else { return drop(now: now) }
      received.removeFirst(Heartbeat.byteCount)
      peer.contact = .open
      peer.status = heartbeat.status
      heard = now
    }
  }

  private func drop(now: Double) {
    socket = nil
    isConnected = false
    (unsent, received) = ([], [])
    if peer.contact == .open {
      peer.contact = .lost
      heard = now
    } else {
      // The next way at once; after the last one, a pause.
      attempt = nextWay == 0 ? now + Self.patience : now
    }
  }
}
