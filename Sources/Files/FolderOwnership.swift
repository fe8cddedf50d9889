import Foundation
import Synchronization

/// Exclusive ownership of a folder, also among processes on other hosts that see it: others are refused until it is
/// released or the process ends, however it ends.
///
/// The owner holds an open-file-description lock on a file in the folder, which network file systems keep on the
/// server. It also writes its identity to that file, along with a counter that it increments every few seconds. Where a
/// file system does not support locks, or keeps them local to each host, an observer recognises a living owner by the
/// counter; a dead owner blocks nobody.
public final class FolderOwnership: Sendable {
  /// The process that owns a folder.
  public struct Owner: Codable, Equatable, Sendable, CustomStringConvertible {
    public let host: String
    public let process: Int32
    /// Distinguishes the process from a later one with the same ID.
    let start: UInt64
    let machine: String
    /// Distinguishes this acquisition of the folder from all others.
    let token: UInt64
    var beat = 0

    public var description: String { "process \(process) on \(host)" }
  }

  /// Another process owns the folder.
  public struct Taken: Error, Equatable {
    /// The owner, if known.
    public let owner: Owner?
  }

  /// The interval of an owner's heartbeats, and how long other processes wait, in seconds.
  package struct Timing: Sendable {
    package var beat = 2.0
    package var patience = 10.0
    /// Delay after writing the own identity where locks are not supported, to detect another process that does so at
    /// the same time.
    package var settling = 1.0
    /// For a lock that is held: its owner may be about to release it.
    package var clearing = 5.0
    /// For a lock whose owner has been killed: the system releases it once each of the owner's threads has been
    /// scheduled again, which takes a while for a thread of the lowest priority on a busy machine.
    package var dying = 60.0

    package init() {}
  }

  /// The name of the owner file in the folder.
  public static let fileName = ".owner"
  /// The size of the owner file, which is overwritten in place so that a full disk does not prevent heartbeats.
  private static let size = 512
  /// Linux's F_OFD_SETLK, which requires _GNU_SOURCE.
  private static let setLock: Int32 = 37

  /// Whether the file system supports locks.
  public let hasLocks: Bool
  private let descriptor: Int32
  private let heartbeat: Heartbeat

  /// Acquires `folder`.
  ///
  /// - Parameter onWait: called with an owner that has not released the folder and is being observed, which takes
  ///   seconds.
  /// - Throws: ``Taken``; ``FileError`` if the owner file cannot be created.
  public convenience init(_ folder: String, onWait: (Owner) -> Void = { _ in }) throws {
    try self.init(folder, timing: Timing(), lock: Self.lock, onWait: onWait)
  }

  /// - Parameter lock: locks an open file; returns the system's error number, or 0.
  package init(
    _ folder: String, timing: Timing, lock: (Int32) -> Int32, onWait: (Owner) -> Void = { _ in }
  ) throws {
    let path = "\(folder)/\(Self.fileName)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError("open", path, code: errno) }
    do {
      switch Self.awaitLock(timing, path, { lock(descriptor) }) {
      case 0: hasLocks = true
      case EAGAIN, EACCES: throw Taken(owner: Self.owner(path))
      case ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL: hasLocks = false
      case let code: throw FileError("lock", path, code: code)
      }
      let own = Owner.this
      try Self.waitForEnd(ofOwnerIn: path, timing, isLocked: hasLocks, onWait)
      try Self.write(own, path)
      if !hasLocks {
        Thread.sleep(forTimeInterval: timing.settling)
        let found = Self.owner(path)
        guard found?.token == own.token else { throw Taken(owner: found) }
      }
      heartbeat = Heartbeat(own, path: path, interval: timing.beat)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    heartbeat.begin()
  }

  deinit {
    if heartbeat.end() { ftruncate(descriptor, 0) }
    // Closing the descriptor alone would keep the lock alive in a child process that another thread is just starting,
    // which shares our descriptors between fork and exec.
    var release = flock()
    release.l_type = Int16(F_UNLCK)
    _ = withUnsafeMutablePointer(to: &release) {
      fcntl(descriptor, Self.setLock, UnsafeMutableRawPointer($0))
    }
    close(descriptor)
  }

  /// The process that has acquired the folder although this process owns it, as can happen without locks when this
  /// process was suspended for long; nil if there is none.
  public var usurper: Owner? { heartbeat.usurper }

  /// Retries `lock` while the lock is held by an owner that may release it soon; returns its last result.
  private static func awaitLock(_ timing: Timing, _ path: String, _ lock: () -> Int32) -> Int32 {
    let begin = ContinuousClock.now
    while true {
      let code = lock()
      guard code == EAGAIN || code == EACCES else { return code }
      let waited = begin.duration(to: .now)
      if waited >= .seconds(timing.clearing) {
        guard waited < .seconds(timing.dying), let owner = owner(path), owner.isDying else { return code }
      }
      Thread.sleep(forTimeInterval: min(0.05, timing.clearing))
    }
  }

  private static func lock(_ descriptor: Int32) -> Int32 {
    var whole = flock()
    whole.l_type = Int16(F_WRLCK)
    whole.l_whence = Int16(SEEK_SET)
    while true {
      let result = withUnsafeMutablePointer(to: &whole) {
        fcntl(descriptor, setLock, UnsafeMutableRawPointer($0))
      }
      if result == 0 { return 0 }
      if errno != EINTR { return errno }
    }
  }

  /// Returns if there is no owner, or a dead one.
  private static func waitForEnd(
    ofOwnerIn path: String, _ timing: Timing, isLocked: Bool, _ onWait: (Owner) -> Void
  ) throws {
    guard let before = owner(path) else { return }
    if before.machine == ProcessIdentity.machine {
      // On the same machine, the lock is conclusive; without one, the system knows whether the process exists.
      if isLocked || ProcessIdentity.start(of: before.process) != before.start { return }
      throw Taken(owner: before)
    }
    onWait(before)
    let end = ContinuousClock.now + .seconds(timing.patience)
    while ContinuousClock.now < end {
      Thread.sleep(forTimeInterval: min(timing.beat / 4, timing.patience))
      guard let now = owner(path) else { return }
      if now != before { throw Taken(owner: now) }
    }
  }

  /// The owner recorded in the file; nil if there is none. The file is reopened each time because network file systems
  /// check for changes on opening.
  fileprivate static func owner(_ path: String) -> Owner? {
    guard let bytes = try? WholeFile.read(path), let end = bytes.lastIndex(of: UInt8(ascii: "}")) else {
      return nil
    }
    return try? JSONDecoder().decode(Owner.self, from: Data(bytes[...end]))
  }

  fileprivate static func write(_ owner: Owner, _ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    var bytes = [UInt8](try encoder.encode(owner))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: max(size - 1 - bytes.count, 0)))
    bytes.append(UInt8(ascii: "\n"))
    // Closed each time because network file systems send written data on closing.
    try bytes.withUnsafeBytes { try FileDescriptor(path, O_WRONLY).write($0, at: 0) }
  }
}

extension FolderOwnership.Owner {
  fileprivate static var this: Self {
    Self(
      host: String(ProcessInfo.processInfo.hostName.prefix(100)), process: getpid(),
      start: ProcessIdentity.start(of: getpid()) ?? 0, machine: ProcessIdentity.machine,
      token: .random(in: 0 ... .max))
  }

  /// Whether the owner was a process on this machine that has been killed.
  fileprivate var isDying: Bool {
    machine == ProcessIdentity.machine
      && (ProcessIdentity.start(of: process) != start || ProcessIdentity.isKilled(process))
  }
}

/// The thread that sends an owner's heartbeats.
private final class Heartbeat: Sendable {
  private struct State {
    var owner: FolderOwnership.Owner
    var usurper: FolderOwnership.Owner?
    var isEnding = false
  }

  private let state: Mutex<State>
  private let ending = DispatchSemaphore(value: 0)
  private let path: String
  private let interval: Double

  init(_ owner: FolderOwnership.Owner, path: String, interval: Double) {
    state = Mutex(State(owner: owner))
    self.path = path
    self.interval = interval
  }

  var usurper: FolderOwnership.Owner? { state.withLock { $0.usurper } }

  func begin() {
    let thread = Thread { [self] in
      while ending.wait(timeout: .now() + interval) == .timedOut {
        let found = FolderOwnership.owner(path)
        let next = state.withLock { state -> FolderOwnership.Owner? in
          if let found, found.token != state.owner.token { state.usurper = found }
          guard state.usurper == nil, !state.isEnding else { return nil }
          state.owner.beat += 1
          return state.owner
        }
        // If the file system does not respond or is full, the code that writes the actual data reports it.
        if let next { try? FolderOwnership.write(next, path) }
      }
    }
    thread.name = "owner"
    thread.start()
  }

  /// Stops the heartbeats; returns whether the file still belongs to this owner.
  func end() -> Bool {
    ending.signal()
    return state.withLock { state in
      state.isEnding = true
      return state.usurper == nil
    }
  }
}
