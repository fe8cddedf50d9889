import Foundation

/// Work on a thread of its own, which can be asked how far it is without waiting for it.
///
/// `@unchecked Sendable`: all that changes is touched under the condition's lock only.
final class BackgroundJob<Value: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var result: Result<Value, any Error>?
  private var isCancelled = false

  /// Starts it.
  ///
  /// - Parameter body: calls what it is given from time to time, which throws when nobody wants the result any more.
  init(_ name: String, _ body: @escaping @Sendable (_ checkCancellation: () throws -> Void) throws -> Value) {
    let thread = Thread { [self] in
      let result = Result { try body(checkCancellation) }
      condition.withLock {
        self.result = result
        condition.broadcast()
      }
    }
    thread.name = name
    thread.start()
  }

  /// What came of it; nil while it goes on.
  var outcome: Result<Value, any Error>? { condition.withLock { result } }

  /// What came of it, once it has ended.
  func wait() -> Result<Value, any Error> {
    condition.withLock {
      while true {
        if let result { return result }
        condition.wait()
      }
    }
  }

  /// Asks it to end early.
  func cancel() { condition.withLock { isCancelled = true } }

  private func checkCancellation() throws {
    if condition.withLock({ isCancelled }) { throw CancellationError() }
  }
}
