import Foundation

/// The TCP connections of a rank's detector: opens links, accepts incoming connections, and turns away strangers.
final class LinkTransport {
  var detector: FailureDetector
  private let listeners: [Socket]
  private let key: RunKey
  /// Indexed by link.
  private var connections: [LinkConnection?]
  private var attempts: [Attempts]
  /// Incoming connections that have not been authenticated yet.
  private var strangers: [LinkConnection] = []
  /// The number of further connections that may be accepted now, as of `refilled` (a token bucket).
  private var admissions = Double(LinkTransport.admissionsPerSecond)
  private var refilled = 0.0

  /// The routes to a neighbour, and the state of the attempts to connect.
  private struct Attempts {
    let ways: [(address: String, port: UInt16)]
    var next = 0
    /// The earliest time of the next attempt.
    var due = 0.0
  }

  /// Deadline for an incoming connection to authenticate itself, and for an outgoing one to be established.
  private static let handshakeSeconds = 5.0
  /// Delay before all routes are tried again.
  private static let retrySeconds = 1.0
  /// The maximum number of unauthenticated connections: a further one displaces the oldest.
  private static let strangersAtMost = 64
  private static let admissionsPerSecond = 256

  /// - Parameter ways: the routes to each neighbour; empty for those that connect to this rank.
  init(
    _ detector: FailureDetector, listeners: [Socket], ways: [[(address: String, port: UInt16)]], key: RunKey
  ) {
    self.detector = detector
    self.listeners = listeners
    self.key = key
    connections = ways.map { _ in nil }
    attempts = ways.map { Attempts(ways: $0) }
  }

  /// Sends a frame over an open link.
  func send(_ frame: Frame, link: Int, now: Double) {
    guard let connection = connections[link], connection.isAuthenticated else { return }
    if !connection.send(frame) { drop(link, now: now) }
  }

  /// Waits for events on any connection and handles them.
  func poll(seconds: Double, now: () -> Double) {
    let began = now()
    openLinks(began)
    let isAdmitting = isAdmitting(began)
    var polled: [pollfd] = []
    polled.reserveCapacity(listeners.count + connections.count + strangers.count)
    func add(_ socket: Socket?, _ events: Int32) {
      polled.append(pollfd(fd: socket?.descriptor ?? -1, events: Int16(events), revents: 0))
    }
    listeners.forEach { add(isAdmitting ? $0 : nil, POLLIN) }
    connections.forEach { add($0?.socket, $0.map(Self.events) ?? 0) }
    strangers.forEach { add($0.socket, Self.events($0)) }
    Foundation.poll(&polled, nfds_t(polled.count), Int32((min(seconds, 1) * 1000).rounded(.up)))

    let time = now()
    var result = polled[listeners.count...]
    for link in connections.indices {
      let events = result.removeFirst().revents
      if events != 0, let connection = connections[link] { serve(connection, link, events, time) }
    }
    let before = strangers
    strangers.removeAll()
    for (stranger, events) in zip(before, result) { serve(stranger: stranger, events.revents, time) }
    for (listener, events) in zip(listeners, polled) where events.revents != 0 { admit(from: listener, time) }
  }

  private static func events(_ connection: LinkConnection) -> Int32 {
    connection.isConnected ? POLLIN | (connection.waitsToWrite ? POLLOUT : 0) : POLLOUT
  }

  // MARK: Links

  private func openLinks(_ now: Double) {
    for link in connections.indices where detector.shouldOpen(link: link) {
      if let connection = connections[link], now - connection.began > Self.handshakeSeconds {
        drop(link, now: now)
      }
      let attempt = attempts[link]
      guard connections[link] == nil, !attempt.ways.isEmpty, now >= attempt.due else { continue }
      let way = attempt.ways[attempt.next]
      attempts[link].next = (attempt.next + 1) % attempt.ways.count
      if attempts[link].next == 0 { attempts[link].due = now + Self.retrySeconds }
      connections[link] = Socket.connecting(to: way.address, port: way.port).map {
        LinkConnection(
          to: detector.neighbours[link], $0, own: detector.rank, key: key,
          worldSize: detector.overlay.worldSize,
          now: now)
      }
    }
  }

  private func serve(_ connection: LinkConnection, _ link: Int, _ events: Int16, _ now: Double) {
    if Int32(events) & POLLOUT != 0 || !connection.isConnected {
      guard connection.becameWritable() else { return drop(link, now: now) }
    }
    guard Int32(events) & ~POLLOUT != 0 else { return }
    guard let received = connection.becameReadable(heartbeat: detector.heartbeat) else {
      return drop(link, now: now)
    }
    take(received, link, now)
  }

  private func take(_ events: [LinkConnection.Event], _ link: Int, _ now: Double) {
    for event in events {
      switch event {
      case .hello: break
      case .authenticated: detector.opened(link: link, now: now)
      case .frame(let frame): detector.received(frame, link: link, now: now)
      }
    }
  }

  private func drop(_ link: Int, now: Double) {
    connections[link] = nil
    detector.closed(link: link, now: now)
  }

  // MARK: Strangers

  private func isAdmitting(_ now: Double) -> Bool {
    let rate = Double(Self.admissionsPerSecond)
    admissions = min(rate, admissions + max(0, now - refilled) * rate)
    refilled = now
    return admissions >= 1
  }

  private func admit(from listener: Socket, _ now: Double) {
    while admissions >= 1, let socket = listener.accepted() {
      admissions -= 1
      if strangers.count == Self.strangersAtMost { strangers.removeFirst() }
      strangers.append(
        LinkConnection(
          from: socket, own: detector.rank, key: key, worldSize: detector.overlay.worldSize, now: now))
    }
  }

  /// Keeps an unauthenticated connection, promotes it to the link of its rank, or drops it.
  private func serve(stranger: LinkConnection, _ events: Int16, _ now: Double) {
    guard now - stranger.began <= Self.handshakeSeconds else { return }
    if Int32(events) & POLLOUT != 0 && !stranger.becameWritable() { return }
    guard Int32(events) & ~POLLOUT != 0 else { return strangers.append(stranger) }
    guard let received = stranger.becameReadable(heartbeat: detector.heartbeat) else { return }
    guard let rank = stranger.otherRank else { return strangers.append(stranger) }
    // Of two ranks, the higher one connects.
    guard rank > detector.rank, let link = detector.link(to: rank) else { return }
    guard stranger.isAuthenticated else { return strangers.append(stranger) }
    // The peer has lost its earlier connection, even if this end has not noticed yet.
    connections[link] = stranger
    take(received, link, now)
  }
}
