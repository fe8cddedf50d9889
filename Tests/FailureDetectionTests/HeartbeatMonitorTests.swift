import FailureDetection
import Foundation
import Synchronization
import Testing

/// Several watches in this process, connected as those of several ranks are.
@Suite struct HeartbeatMonitorTests {
  /// What watches have told.
  private final class Told: Sendable {
    let failures = Mutex<[FailureReport?]>([])
    let slow = Mutex<[String]>([])
  }

  private func start(_ count: Int, timeout: Double, missing: Int? = nil) -> (Told, [HeartbeatMonitor]) {
    let told = Told()
    let posts = (0..<count).map { _ in HeartbeatEndpoint() }
    let watches = (0..<count).filter { $0 != missing }.map { rank in
      HeartbeatMonitor(
        post: posts[rank], posts: posts.map(\.text), hosts: (0..<count).map { _ in "here" }, rank: rank,
        run: 99, timeout: timeout, onSlow: { what in told.slow.withLock { $0.append(what) } },
        onFailure: { report in told.failures.withLock { $0.append(report) } })
    }
    return (told, watches)
  }

  private func wait(_ seconds: Double, until condition: () -> Bool) -> Bool {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while Date() < deadline {
      if condition() { return true }
      usleep(10_000)
    }
    return condition()
  }

  /// As `wait`, in a process that computes: its ranks get on.
  private func workUntil(_ seconds: Double, _ condition: () -> Bool) -> Bool {
    wait(seconds) {
      var x = 1.0
      for _ in 0..<100_000 { x = (x * 1.1).truncatingRemainder(dividingBy: 7) }
      return x > 0 && condition()
    }
  }

  /// They find each other, or they would not know what the slow one is at; and nobody is accused.
  @Test func aSlowRankIsToldOfOnce() {
    let (told, watches) = start(3, timeout: 2)
    for watch in watches { watch.enter(watch === watches[2] ? .computing : .exchanging, step: 5) }
    #expect(workUntil(20) { told.slow.withLock { !$0.isEmpty } })
    let slow = told.slow.withLock { $0 }
    #expect(Set(slow) == ["waiting for rank 2 on here, computing the gradients of step 5"])
    #expect(slow.count == 1)
  }

  /// One whose watch does not answer for longer than the other's patience, as while its host stands still, is found
  /// all the same.
  @Test func ranksThatComeLateAreFound() {
    let told = Told()
    let posts = (0..<2).map { _ in HeartbeatEndpoint() }
    func start(_ rank: Int, _ activity: Activity) -> HeartbeatMonitor {
      let watch = HeartbeatMonitor(
        post: posts[rank], posts: posts.map(\.text), hosts: ["here", "here"], rank: rank, run: 7, timeout: 4,
        onSlow: { what in told.slow.withLock { $0.append(what) } },
        onFailure: { report in told.failures.withLock { $0.append(report) } })
      watch.enter(activity, step: 1)
      return watch
    }
    let first = start(1, .exchanging)
    _ = wait(6) { false }
    let second = start(0, .computing)
    #expect(workUntil(20) { told.slow.withLock { !$0.isEmpty } || told.failures.withLock { !$0.isEmpty } })
    #expect(told.failures.withLock { $0.isEmpty }, "\(told.failures.withLock { $0 })")
    #expect(
      told.slow.withLock { $0 } == ["waiting for rank 0 on here, computing the gradients of step 1"])
    withExtendedLifetime((first, second)) {}
  }

  @Test func whenAllWaitTheLowestReports() {
    let (told, watches) = start(3, timeout: 0.5)
    for watch in watches { watch.enter(.exchanging, step: 9) }
    #expect(wait(20) { told.failures.withLock { !$0.isEmpty } })
    let first = told.failures.withLock { $0.first ?? nil }
    #expect(first?.message.contains("all 3 ranks have waited") == true, "\(String(describing: first))")
  }
}
