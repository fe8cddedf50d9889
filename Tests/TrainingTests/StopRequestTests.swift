import Foundation
import Testing
import Training

/// Real signals, to this process; so one test at a time.
@Suite(.serialized) struct StopRequestTests {
  /// The reason, as soon as there is one.
  private func reason(_ request: StopRequest) -> String? {
    let deadline = Date(timeIntervalSinceNow: 10)
    while request.reason == nil && Date() < deadline { usleep(1000) }
    return request.reason
  }

  private func isDefault(_ signal: Int32) -> Bool {
    var action = sigaction()
    sigaction(signal, nil, &action)
    return action.__sigaction_handler.sa_handler == nil
  }

  @Test(arguments: [(SIGTERM, "SIGTERM"), (SIGUSR1, "SIGUSR1"), (SIGUSR2, "SIGUSR2"), (SIGINT, "SIGINT")])
  func aSignalIsHeard(signal: Int32, name: String) {
    let request = StopRequest()
    #expect(request.reason == nil)
    kill(getpid(), signal)
    #expect(reason(request) == name)
  }

  /// Also when the thread that made it is not the one that a signal comes to.
  @Test func theFirstIsTheReason() {
    let request = StopRequest()
    kill(getpid(), SIGUSR2)
    #expect(reason(request) == "SIGUSR2")
    for _ in 0..<3 { kill(getpid(), SIGTERM) }
    // One Ctrl-C after another signal is the first of its kind.
    kill(getpid(), SIGINT)
    usleep(50_000)
    #expect(request.reason == "SIGUSR2")
  }

  @Test func signalsHaveTheirUsualEffectBeforeAndAfter() {
    #expect(StopRequest.stopSignals.allSatisfy(isDefault))
    var request: StopRequest? = StopRequest()
    #expect(!StopRequest.stopSignals.contains(where: isDefault))
    withExtendedLifetime(request) {}
    request = nil
    #expect(StopRequest.stopSignals.allSatisfy(isDefault))
  }
}
