import FailureDetection
import Files
import Foundation
import Logging
import MPI
import Reporting

/// Failure detection for runs with several ranks; see `HeartbeatMonitor`. A failure ends the run, so that it can be
/// restarted.
final class RunMonitor: Sendable {
  private let monitor: HeartbeatMonitor?

  /// Collective.
  ///
  /// - Parameter timeout: seconds for which a rank may be silent or make no progress; 0 disables detection.
  /// - Throws: `MPIError`.
  init(
    hosts: [String], timeout: Double, logPath: String, communicator: Communicator, console: Console
  ) throws {
    guard communicator.size > 1, timeout > 0 else {
      monitor = nil
      return
    }
    let location = RankLocation.own(environment: ProcessInfo.processInfo.environment)
    let locations = try communicator.allGather(location.text).map { RankLocation($0) }
    let endpoint = HeartbeatEndpoint(location, others: locations)
    let endpoints = try communicator.allGather(endpoint.text)
    let rank = communicator.rank
    let bytes = try communicator.broadcast(rank == 0 ? RunKey.random() : [], root: 0)
    guard let key = RunKey(bytes) else {
      preconditionFailure("rank 0 broadcast a key of \(bytes.count) bytes")
    }
    monitor = HeartbeatMonitor(
      endpoint: endpoint, ranks: .init(hosts: hosts, locations: locations, endpoints: endpoints), rank: rank,
      key: key, timeout: timeout,
      onSlow: { what in
        // A file system that does not respond must not delay this rank's heartbeats.
        Thread.detachNewThread {
          try? RunLog(path: logPath, rank: rank, console: console).logger("monitor").warning("\(what)")
        }
      },
      onFailure: { report in Self.end(report, logPath, communicator, console) })
  }

  /// Notes that this rank enters a phase of step number `step`, counted from 1.
  func enter(_ activity: Activity, step: Int) { monitor?.enter(activity, step: step) }

  /// Reports a failure, unless another rank does so, and ends all ranks that can be ended.
  private static func end(
    _ report: FailureReport?, _ logPath: String, _ communicator: Communicator, _ console: Console
  ) -> Never {
    // Whatever hangs below, this process must exit: launchers react to that.
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: 5)
      _exit(exitStatus)
    }
    if let report {
      console.print("oboro: \(report.message)")
      let isLogged = DispatchSemaphore(value: 0)
      // The log may be on the file system that does not respond. Only this rank writes to it now.
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

  /// The exit status of failures not caused by the user.
  private static let exitStatus: Int32 = 1
}
