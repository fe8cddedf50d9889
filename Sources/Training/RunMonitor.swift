import FailureDetection
import Files
import Foundation
import Logging
import MPI
import Reporting

/// Watches over the ranks of a run, where there are several: see `HeartbeatMonitor`. What it finds ends the run, so that it can
/// be started again.
final class RunMonitor: Sendable {
  private let monitor: HeartbeatMonitor?

  /// Collective.
  ///
  /// - Parameter timeout: seconds that a rank may take to answer; 0: none is watched.
  /// - Throws: `MPIError`.
  init(
    hosts: [String], timeout: Double, logPath: String, communicator: Communicator, console: Console
  ) throws {
    guard communicator.size > 1, timeout > 0 else {
      monitor = nil
      return
    }
    let post = HeartbeatEndpoint()
    let posts = try communicator.allGather(post.text)
    let run = try communicator.broadcast("\(UInt64.random(in: 0 ... .max))", root: 0)
    let rank = communicator.rank
    monitor = HeartbeatMonitor(
      post: post, posts: posts, hosts: hosts, rank: rank, run: UInt64(run) ?? 0, timeout: timeout,
      onSlow: { what in
        try? RunLog(path: logPath, rank: rank, console: console).logger("monitor").warning("\(what)")
      },
      onFailure: { report in Self.end(report, logPath, communicator, console) })
  }

  /// This rank begins something, in step number `step`, from 1.
  func enter(_ activity: Activity, step: Int) { monitor?.enter(activity, step: step) }

  /// Tells of a failure, unless another rank does, and ends all ranks that can be ended.
  private static func end(
    _ report: FailureReport?, _ logPath: String, _ communicator: Communicator, _ console: Console
  ) -> Never {
    // Whatever hangs below: not this process. Its end is what a launcher acts on.
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: 5)
      _exit(exitStatus)
    }
    if let report {
      console.print("oboro: \(report.message)")
      let isLogged = DispatchSemaphore(value: 0)
      // The log may be on the file system that does not answer. Of several ranks only this one writes to it now.
      Thread.detachNewThread {
        try? RunLog(path: logPath, console: console).record(
          .error, "run given up",
          [
            "hosts": "\(report.hosts.joined(separator: ","))",
            "ranks": "\(report.ranks.map(String.init).joined(separator: ","))",
            "reason": "\(report.message)",
          ])
        isLogged.signal()
      }
      _ = isLogged.wait(timeout: .now() + 1)
    }
    communicator.abort(code: exitStatus)
  }

  /// That of any failure that is nobody's mistake.
  private static let exitStatus: Int32 = 1
}
