import Foundation
import Synchronization

/// A folder that this process has for itself, also among those of other hosts that see it: others that ask for it are
/// refused until this is released, or until the process ends, however it ends.
///
/// It holds an open-file-description lock on a file in the folder, which network file systems keep on the server; and it
/// writes to that file who it is, and every few seconds a number that grows. Where a file system has no locks, or keeps
/// them to each host, that number shows a living owner to who watches for a while; one that is dead blocks nobody.
public final class FolderOwnership: Sendable {
  /// Who has a folder.
  public struct Owner: Codable, Equatable, Sendable, CustomStringConvertible {
    public let host: String
    public let process: Int32
    /// Tells the process from a later one of the same number.
    let start: UInt64
    let machine: String
    /// Tells this taking of the folder from all others.
    let token: UInt64
    var beat = 0

    public var description: String { "process \(process) on \(host)" }
  }

  /// Another process owns the folder.
  public struct Taken: Error, Equatable {
    /// nil where it is not known who.
    public let owner: Owner?
  }

  /// How often an owner shows that it lives, and how long others watch, in seconds.
  package struct Timing: Sendable {
    package var beat = 2.0
    package var patience = 10.0
    /// After writing who it is, where there are no locks: until whoever did so at once would have been read.
    package var settling = 1.0
    /// For a lock that is taken: its owner may be about to release it.
    package var clearing = 5.0
    /// For a lock whose owner has been killed: the system releases it when each of the owner's threads has run once
    /// more, which one of the lowest priority does late on a busy machine.
    package var dying = 60.0

    package init() {}
  }

  /// In the folder.
  public static let fileName = ".owner"
  /// The file's size, so that it is overwritten in place: a full disk hinders no sign of life.
  private static let size = 512
  /// Linux's F_OFD_SETLK, which hides behind _GNU_SOURCE.
  private static let setLock: Int32 = 37

  /// Whether the file system has locks.
  public let hasLocks: Bool
  private let descriptor: Int32
  private let heartbeat: Heartbeat

  /// Takes the folder at `folder`.
  ///
  /// - Parameter onWait: is told of an owner that has not signed off and is being watched, which takes seconds.
  /// - Throws: ``Taken``; ``FileError`` where the file cannot be made.
  public convenience init(_ folder: String, onWait: (Owner) -> Void = { _ in }) throws {
    try self.init(folder, timing: Timing(), lock: Self.lock, onWait: onWait)
  }

  /// - Parameter lock: takes the lock on an open file; returns the system's error number, or 0.
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
    // Closing alone would leave the lock with a process that another thread is just starting: between its fork and
    // its exec it has our descriptors.
    var release = flock()
    release.l_type = Int16(F_UNLCK)
    _ = withUnsafeMutablePointer(to: &release) {
      fcntl(descriptor, Self.setLock, UnsafeMutableRawPointer($0))
    }
    close(descriptor)
  }

  /// Who has taken the folder although this process has it, as where there are no locks and this process stood still
  /// for long; nil if nobody has.
  public var usurper: Owner? { heartbeat.usurper }

  /// What `lock` returns in the end, if that is not at once.
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

  /// Returns if nobody is the owner, or one that is dead.
  private static func waitForEnd(
    ofOwnerIn path: String, _ timing: Timing, isLocked: Bool, _ onWait: (Owner) -> Void
  ) throws {
    guard let before = owner(path) else { return }
    if before.machine == ProcessIdentity.machine {
      // Here the lock says all; without one, the system knows whether the process is there.
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

  /// What the file says; nil if nobody has the folder. Opened anew each time: network file systems look for changes
  /// then.
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
    // Closed each time: network file systems send what was written then.
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

  /// Whether it was a process of this machine that has been killed.
  fileprivate var isDying: Bool {
    machine == ProcessIdentity.machine
      && (ProcessIdentity.start(of: process) != start || ProcessIdentity.isKilled(process))
  }
}

/// The thread that shows that an owner lives.
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
        // A file system that does not answer, or is full, is found by those who write what matters.
        if let next { try? FolderOwnership.write(next, path) }
      }
    }
    thread.name = "owner"
    thread.start()
  }

  /// Whether the file is still this owner's.
  func end() -> Bool {
    ending.signal()
    return state.withLock { state in
      state.isEnding = true
      return state.usurper == nil
    }
  }
}
