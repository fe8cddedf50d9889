import Foundation
import Synchronization

/// Detects requests to stop this process, such as Ctrl-C or the signal that a batch system sends before it reclaims the
/// machine.
///
/// Signal handlers only set a flag, which the training loop checks between steps. A second Ctrl-C ends the process at
/// once, by the default action. Signals belong to the process, so only one request can listen at a time.
public final class StopRequest: Sendable {
  /// The signals that request a stop: the terminal's (including hang-up), the system's, and the two that batch systems
  /// offer for user-defined purposes.
  public static let stopSignals = [SIGINT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2]

  /// Signals from the terminal. The parent may have set them to be ignored: a shell does this with SIGINT for a
  /// script's background jobs, `nohup` with SIGHUP.
  private static let terminalSignals = [SIGINT, SIGHUP]
  /// The signals that this request handles.
  private let heeded: [Int32]

  /// The state set by the handler, which can only access static variables.
  private enum Note {
    /// The first signal received; 0 if none.
    static let first = Atomic<Int32>(0)
    static let interrupts = Atomic<Int>(0)
    /// Whether the first signal came from this process's parent, such as a launcher that signals all its ranks.
    static let isFromParent = Atomic<Bool>(false)
    /// Posted for each signal.
    nonisolated(unsafe) static let arrival: UnsafeMutablePointer<sem_t> = {
      let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
      sem_init(semaphore, 0, 0)
      return semaphore
    }()
  }

  /// Listens until deinitialised.
  public init() {
    Note.first.store(0, ordering: .sequentiallyConsistent)
    Note.interrupts.store(0, ordering: .sequentiallyConsistent)
    // A handler rather than a dispatch source, which misses signals delivered to other threads.
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = Self.receive
    action.sa_flags = SA_RESTART | SA_SIGINFO
    // Initialised before a handler needs it.
    _ = Note.arrival
    var all = sigset_t()
    sigemptyset(&all)
    heeded = Self.stopSignals.filter { !Self.terminalSignals.contains($0) || !Self.isIgnored($0) }
    for number in heeded {
      sigaddset(&all, number)
      sigaction(number, &action, nil)
    }
    // The parent process may have blocked them.
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
  }

  deinit {
    for number in heeded { signal(number, SIG_DFL) }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    // SIG_IGN is a function pointer with a reserved address, which Swift cannot compare.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  /// The name of the signal that requested the stop, if any.
  public var reason: String? {
    switch Note.first.load(ordering: .sequentiallyConsistent) {
    case 0: nil
    case SIGINT: "SIGINT"
    case SIGHUP: "SIGHUP"
    case SIGTERM: "SIGTERM"
    case SIGUSR1: "SIGUSR1"
    case SIGUSR2: "SIGUSR2"
    case let number: "signal \(number)"
    }
  }

  /// Whether the request came from this process's parent: a launcher signals all of its ranks, a user only one.
  public var isFromParent: Bool { Note.isFromParent.load(ordering: .sequentiallyConsistent) }

  /// Calls `announce` on a separate thread as soon as a stop is requested, since a step may take minutes.
  public func announce(_ announce: @escaping @Sendable () -> Void) {
    Thread.detachNewThread {
      while sem_wait(Note.arrival) != 0 {}
      announce()
    }
  }

  /// The signal handler; restricted to async-signal-safe operations.
  private static let receive:
    @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void =
      { number, info, _ in
        if Note.first.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent)
          .exchanged
        {
          let sender = info?.pointee._sifields._kill.si_pid ?? 0
          Note.isFromParent.store(sender == getppid(), ordering: .sequentiallyConsistent)
          sem_post(Note.arrival)
        }
        guard number == SIGINT else { return }
        if Note.interrupts.add(1, ordering: .sequentiallyConsistent).oldValue > 0 {
          // Takes effect when the handler returns.
          signal(number, SIG_DFL)
          raise(number)
        }
      }
}
