import Foundation
import Synchronization

/// Ends this process if MPI takes too long to start. `MPI_Init` waits for every process that the launcher has started,
/// also for one that was killed, stands still or cannot be reached, and as yet nothing else watches over the ranks.
final class StartDeadline: Sendable {
  private enum State { case waiting, met, missed }

  private let state = Mutex(State.waiting)

  /// Half a minute for programs and libraries to be read from a file system that many read from, and for launchers that
  /// start thousands of processes, one after the other or in a tree, as long again for each three hundred.
  static func seconds(processCount: Int?) -> Double { 30 + 0.1 * Double(processCount ?? 1) }

  /// Starts to wait, on a thread of its own.
  ///
  /// - Parameter seconds: time that this process runs: none passes while it is stopped, as batch systems stop whole jobs.
  init(seconds: Double, program: String, launcher: Launcher) {
    Thread.detachNewThread { [self] in
      var left = seconds
      while left > 0 {
        let pause = min(left, 0.1)
        Thread.sleep(forTimeInterval: pause)
        left -= pause
        if state.withLock({ $0 == .met }) { return }
      }
      // In turns: a launcher ends all processes once one has given up, and one message is enough.
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

  /// MPI has started, or said why it cannot.
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
