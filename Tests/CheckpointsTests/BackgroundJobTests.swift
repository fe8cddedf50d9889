import CProcessor
import Checkpoints
import Foundation
import Testing

@Suite struct BackgroundJobTests {
  @Test func itsResultIsWaitedFor() throws {
    #expect(try BackgroundJob("test") { _ in 3 }.wait().get() == 3)
    #expect(throws: CocoaError.self) {
      try BackgroundJob<Int>("test") { _ in throw CocoaError(.fileNoSuchFile) }.wait().get()
    }
  }

  @Test func aCancelledOneEndsEarly() {
    let job = BackgroundJob<Int>("test", patience: 60) { checkCancellation in
      while true { try checkCancellation() }
    }
    #expect(job.outcome == nil)
    job.cancel()
    #expect(throws: CancellationError.self) { try job.wait().get() }
  }

  /// Calls `body` until the calling thread takes its share of the time; false if it does not within a minute.
  private static func takesItsShare(_ body: () throws -> Void) rethrows -> Bool {
    let end = Date(timeIntervalSinceNow: 60)
    while Date() < end {
      if !oboro_runs_when_idle() { return true }
      try body()
    }
    return false
  }

  @Test func aPatientOneTakesWhatIsLeftOver() throws {
    #expect(try BackgroundJob("test") { _ in oboro_runs_when_idle() }.wait().get() == false)
    let job = BackgroundJob("test", patience: 60) { _ in (oboro_runs_when_idle(), Self.takesItsShare {}) }
    while job.outcome == nil, !job.isPatient { Thread.sleep(forTimeInterval: 0.001) }
    // Somebody waits: that ends its patience.
    let (wasPatient, tookItsShare) = try job.wait().get()
    #expect(wasPatient && tookItsShare)
  }

  @Test func patienceEnds() throws {
    let job = BackgroundJob("test", patience: 0.05) { checkCancellation in
      (oboro_runs_when_idle(), try Self.takesItsShare { try checkCancellation() })
    }
    while job.outcome == nil { Thread.sleep(forTimeInterval: 0.001) }
    let (wasPatient, tookItsShare) = try job.wait().get()
    #expect(wasPatient && tookItsShare)
  }
}
