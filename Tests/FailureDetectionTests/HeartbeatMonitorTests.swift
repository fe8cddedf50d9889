import FailureDetection
import Foundation
import Synchronization
import TestSupport
import Testing

/// Several monitors in this process, connected as those of several ranks are.
@Suite struct HeartbeatMonitorTests {
  /// What monitors have reported.
  private final class Reports: Sendable {
    let failures = Mutex<[FailureReport?]>([])
    let slow = Mutex<[String]>([])
  }

  /// A run of ranks on this host.
  private struct Run {
    let reports = Reports()
    let endpoints: [HeartbeatEndpoint]
    let ranks: HeartbeatMonitor.Ranks
    let timeout: Double
    let key: RunKey

    init(_ count: Int, timeout: Double) throws {
      let location = RankLocation.own(environment: [:])
      endpoints = (0..<count).map { _ in HeartbeatEndpoint(location, others: [location]) }
      ranks = HeartbeatMonitor.Ranks(
        hosts: (0..<count).map { _ in "here" }, locations: (0..<count).map { _ in location },
        endpoints: endpoints.map(\.text))
      self.timeout = timeout
      key = try #require(RunKey(RunKey.random()))
    }

    func start(_ rank: Int, _ activity: Activity, step: Int) -> HeartbeatMonitor {
      let monitor = HeartbeatMonitor(
        endpoint: endpoints[rank], ranks: ranks, rank: rank, key: key, timeout: timeout,
        onSlow: { [reports] what in reports.slow.withLock { $0.append(what) } },
        onFailure: { [reports] report in reports.failures.withLock { $0.append(report) } })
      monitor.enter(activity, step: step)
      return monitor
    }
  }

  private func wait(_ seconds: Double, until condition: () -> Bool) -> Bool {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while Date() < deadline {
      if condition() { return true }
      usleep(10_000)
    }
    return condition()
  }

  /// As `wait`, in a process that computes: its ranks make progress.
  private func workUntil(_ seconds: Double, _ condition: () -> Bool) -> Bool {
    wait(seconds) {
      var x = 1.0
      for _ in 0..<1_000_000 { x = (x * 1.1).truncatingRemainder(dividingBy: 7) }
      return x > 0 && condition()
    }
  }

  /// They find each other, or they would not know what the slow one does; and nobody is accused.
  @Test(arguments: [3, 20]) func aSlowRankIsToldOfOnce(count: Int) throws {
    let run = try Run(count, timeout: 2)
    let monitors = (0..<count).map { run.start($0, $0 == 2 ? .computing : .exchanging, step: 5) }
    #expect(workUntil(20) { run.reports.slow.withLock { !$0.isEmpty } })
    _ = workUntil(1) { false }
    #expect(
      run.reports.slow.withLock { $0 } == ["waiting for rank 2 on here, computing the gradients of step 5"])
    #expect(run.reports.failures.withLock { $0 } == [])
    withExtendedLifetime(monitors) {}
  }

  /// One that does not answer for longer than a handshake may take, as while its host stands still, is found all the
  /// same.
  @Test func ranksThatComeLateAreFound() throws {
    let run = try Run(2, timeout: 4)
    let first = run.start(1, .exchanging, step: 1)
    _ = wait(6) { false }
    let second = run.start(0, .computing, step: 1)
    #expect(
      workUntil(20) {
        run.reports.slow.withLock { !$0.isEmpty } || run.reports.failures.withLock { !$0.isEmpty }
      })
    #expect(run.reports.failures.withLock { $0 } == [])
    #expect(
      run.reports.slow.withLock { $0 } == ["waiting for rank 0 on here, computing the gradients of step 1"])
    withExtendedLifetime((first, second)) {}
  }

  @Test func whenAllWaitTheLowestReports() throws {
    let run = try Run(3, timeout: 0.5)
    let monitors = (0..<3).map { run.start($0, .exchanging, step: 9) }
    #expect(wait(20) { run.reports.failures.withLock { !$0.isEmpty } })
    let first = run.reports.failures.withLock { $0.first ?? nil }
    #expect(first?.message.contains("all 3 ranks have waited") == true, "\(String(describing: first))")
    withExtendedLifetime(monitors) {}
  }

  /// Strangers that connect, say nothing, or say what is wrong keep no rank from another.
  @Test func strangersDoNoHarm() throws {
    let run = try Run(2, timeout: 2)
    let port = try #require(run.endpoints[0].text.split(separator: ":").last.flatMap { UInt16($0) })
    let first = run.start(0, .exchanging, step: 5)
    var generator = SeededGenerator(seed: 3)
    var strangers: [Socket] = []
    let foreign = try #require(RunKey(RunKey.random()))
    for index in 0..<200 {
      guard let socket = Socket.connecting(to: "127.0.0.1", port: port) else { continue }
      usleep(1000)
      let random = (0..<3000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // Silence, noise, and a rank of another run.
      switch index % 3 {
      case 0: break
      case 1: _ = socket.send(random[...])
      default:
        let hello = Hello(rank: 1)
        var authentication = FrameAuthentication(foreign, own: hello, other: Hello(rank: 0))
        let frame = Frame(status: RankStatus(.computing, step: 5), quietSeconds: 0)
        _ = socket.send((hello.bytes + authentication.seal(frame.bytes))[...])
      }
      strangers.append(socket)
    }
    let second = run.start(1, .computing, step: 5)
    #expect(workUntil(40) { run.reports.slow.withLock { !$0.isEmpty } })
    #expect(
      run.reports.slow.withLock { $0.first }
        == "waiting for rank 1 on here, computing the gradients of step 5")
    #expect(run.reports.failures.withLock { $0 } == [])
    withExtendedLifetime((first, second, strangers)) {}
  }
}
