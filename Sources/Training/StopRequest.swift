import Foundation
import Synchronization

/// Whether someone has asked this process to stop: Ctrl-C, or what a batch system sends before it takes the machine.
///
/// Signals do nothing but leave a note; the training loop looks at it between two steps. A second Ctrl-C ends the
/// process at once, as if nobody had listened. Signals are the process's: one request listens at a time.
public final class StopRequest: Sendable {
  /// The signals that ask for a stop: the terminal's, also when it goes, the system's, and the two that batch systems
  /// let one choose.
  public static let stopSignals = [SIGINT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2]

  /// Those of the terminal. Whoever started the process may have it ignore them: a shell does so with SIGINT for a
  /// script's background job, `nohup` with SIGHUP.
  private static let terminalSignals = [SIGINT, SIGHUP]
  /// Those that this request listens to.
  private let heeded: [Int32]

  /// The note. A signal's handler can reach nothing but what is static.
  private enum Note {
    /// The first signal; 0 for none.
    static let first = Atomic<Int32>(0)
    static let interrupts = Atomic<Int>(0)
    /// Whether the first signal came from this process's parent, such as a launcher that tells all its ranks.
    static let isFromParent = Atomic<Bool>(false)
    /// Posted for each signal.
    nonisolated(unsafe) static let arrival: UnsafeMutablePointer<sem_t> = {
      let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
      sem_init(semaphore, 0, 0)
      return semaphore
    }()
  }

  /// Listens until it is released.
  public init() {
    Note.first.store(0, ordering: .sequentiallyConsistent)
    Note.interrupts.store(0, ordering: .sequentiallyConsistent)
    // A handler, and no dispatch source: that one misses signals that another thread takes.
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = Self.receive
    action.sa_flags = SA_RESTART | SA_SIGINFO
    // Before a handler needs it.
    _ = Note.arrival
    var all = sigset_t()
    sigemptyset(&all)
    heeded = Self.stopSignals.filter { !Self.terminalSignals.contains($0) || !Self.isIgnored($0) }
    for number in heeded {
      sigaddset(&all, number)
      sigaction(number, &action, nil)
    }
    // Whoever started the process may have held them back.
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
  }

  deinit {
    for number in heeded { signal(number, SIG_DFL) }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    // SIG_IGN is a function's address that no function has, which Swift cannot compare.
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
  }

  /// The name of the signal that asked for a stop, if one did.
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

  /// Whether the request came from this process's parent: a launcher tells all of its ranks, a user one.
  public var isFromParent: Bool { Note.isFromParent.load(ordering: .sequentiallyConsistent) }

  /// Calls `announce`, on a thread of its own, as soon as somebody asks for a stop: a step may take minutes.
  public func announce(_ announce: @escaping @Sendable () -> Void) {
    Thread.detachNewThread {
      while sem_wait(Note.arrival) != 0 {}
      announce()
    }
  }

  /// The handler: nothing but what is safe while any other code stands still in the middle of anything.
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
