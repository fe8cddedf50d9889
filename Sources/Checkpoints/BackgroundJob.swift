import CProcessor
import Foundation

/// Work on a separate thread, whose state can be queried without blocking.
///
/// `@unchecked Sendable`: all mutable state is accessed only under the condition's lock.
package final class BackgroundJob<Value: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var result: Result<Value, any Error>?
  private var isCancelled = false
  private var isAwaited = false
  private let deadlineOfPatience: UInt64
  /// The thread's ID while it runs at idle priority.
  private var patientThread: Int32?

  /// The interface of a job's body to the job.
  package struct Control: Sendable {
    fileprivate let job: BackgroundJob

    /// - Throws: `CancellationError` if the result is no longer wanted.
    package func callAsFunction() throws { try job.checkCancellation() }

    /// Restores normal priority; to be called before holding anything that other threads may wait for.
    package func endPatience() { job.condition.withLock { job.hurry() } }
  }

  /// Starts the job.
  ///
  /// - Parameters:
  ///   - patience: seconds for which it runs at idle priority, unless a thread waits for it.
  ///   - body: calls the `Control` it is given from time to time, which throws if the result is no longer wanted.
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

  /// The job's result; nil while it is running.
  package var outcome: Result<Value, any Error>? { condition.withLock { result } }

  /// Waits for the job to end and returns its result.
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

  /// Whether the job currently runs at idle priority.
  package var isPatient: Bool { condition.withLock { patientThread != nil } }

  /// Requests that the job end early.
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

  /// Restores the thread's normal priority. Must be called under the lock.
  private func hurry() {
    guard let thread = patientThread else { return }
    oboro_run_when_idle(thread, false)
    patientThread = nil
  }
}
