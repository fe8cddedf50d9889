import CProcessor
import Foundation

/// Work on a thread of its own, which can be asked how far it is without waiting for it.
///
/// `@unchecked Sendable`: all that changes is touched under the condition's lock only.
package final class BackgroundJob<Value: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var result: Result<Value, any Error>?
  private var isCancelled = false
  private var isAwaited = false
  private let deadlineOfPatience: UInt64
  /// The thread while it is patient.
  private var patientThread: Int32?

  /// What its body may ask and say.
  package struct Control: Sendable {
    fileprivate let job: BackgroundJob

    /// - Throws: `CancellationError` when nobody wants the result any more.
    package func callAsFunction() throws { try job.checkCancellation() }

    /// From now on it takes its share of the time: before it holds what others may wait for.
    package func endPatience() { job.condition.withLock { job.hurry() } }
  }

  /// Starts it.
  ///
  /// - Parameters:
  ///   - patience: how many seconds it is content with the time that no other thread wants, if nobody waits for it.
  ///   - body: calls what it is given from time to time, which throws when nobody wants the result any more.
  package init(
    _ name: String, patience: Double = 0,
    _ body: @escaping @Sendable (_ checkCancellation: Control) throws -> Value
  ) {
    deadlineOfPatience = DispatchTime.now().uptimeNanoseconds + UInt64(1e9 * patience)
    let thread = Thread { [self] in
      if patience > 0 { bePatient() }
      let result = Result { try body(Control(job: self)) }
      condition.withLock {
        patientThread = nil
        self.result = result
        condition.broadcast()
      }
    }
    thread.name = name
    thread.start()
  }

  /// What came of it; nil while it goes on.
  package var outcome: Result<Value, any Error>? { condition.withLock { result } }

  /// What came of it, once it has ended.
  package func wait() -> Result<Value, any Error> {
    condition.withLock {
      isAwaited = true
      while true {
        if let result { return result }
        hurry()
        condition.wait()
      }
    }
  }

  /// Whether it takes but the time that no other thread wants.
  package var isPatient: Bool { condition.withLock { patientThread != nil } }

  /// Asks it to end early.
  package func cancel() { condition.withLock { isCancelled = true } }

  private func checkCancellation() throws {
    try condition.withLock {
      if DispatchTime.now().uptimeNanoseconds > deadlineOfPatience { hurry() }
      if isCancelled { throw CancellationError() }
    }
  }

  private func bePatient() {
    condition.withLock {
      guard !isAwaited else { return }
      let thread = oboro_thread_number()
      oboro_run_when_idle(thread, true)
      patientThread = thread
    }
  }

  /// From now on the thread is like any other. To be called under the lock.
  private func hurry() {
    guard let thread = patientThread else { return }
    oboro_run_when_idle(thread, false)
    patientThread = nil
  }
}
