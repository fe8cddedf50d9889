import Foundation
import Synchronization

/// Ends this process if MPI takes too long to start. `MPI_Init` waits for every process started by the launcher,
/// including one that was killed, is stopped or is unreachable, and at that point nothing else monitors the ranks.
final class StartDeadline: Sendable {
  private enum State { case waiting, met, missed }

  private let state = Mutex(State.waiting)

  /// 30 s to load programs and libraries from a file system under load, plus 0.1 s per process for launchers that start
  /// thousands of them, sequentially or in a tree.
  static func seconds(processCount: Int?) -> Double { 30 + 0.1 * Double(processCount ?? 1) }

  /// Starts the deadline on a separate thread.
  ///
  /// - Parameter seconds: running time of this process; it excludes time while the process is stopped, as batch systems
  ///   suspend whole jobs.
  init(seconds: Double, program: String, launcher: Launcher) {
    Thread.detachNewThread { [self] in
      var left = seconds
      while left > 0 {
        let pause = min(left, 0.1)
        Thread.sleep(forTimeInterval: pause)
        left -= pause
        if state.withLock({ $0 == .met }) { return }
      }
      // Staggered by rank: a launcher ends all processes once one has given up, and one message suffices.
      Thread.sleep(forTimeInterval: Double(min(launcher.rank ?? 0, 4)) * 0.5)
      let isMissed = state.withLock { state in
        if state == .waiting { state = .missed }
        return state == .missed
      }
      guard isMissed else { return }
      FileHandle.standardError.write(Data("\(program): \(Self.message(seconds, launcher))\n".utf8))
      // `exit` would wait for the thread in `MPI_Init`, which holds MPI's locks.
      _exit(1)
    }
  }

  /// Cancels the deadline: MPI has started, or reported why it cannot.
  func meet() { state.withLock { if $0 == .waiting { $0 = .met } } }

  private static func message(_ seconds: Double, _ launcher: Launcher) -> String {
    let rank = launcher.rank.map { "rank \($0)" } ?? "a rank"
    let size = launcher.processCount.map { " of \($0)" } ?? ""
    let host = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
    return
      "\(rank)\(size) on \(host): MPI has not started within \(String(format: "%g", seconds)) s: another rank "
      + "was killed or stands still before it got so far, or the hosts cannot reach each other over the network "
      + "that \(launcher.name) uses"
  }
}
