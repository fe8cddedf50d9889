import Foundation

/// A bounded queue between a producer thread and a consumer thread, which lets the producer run ahead.
///
/// `@unchecked Sendable`: all mutable state is guarded by the condition's lock.
package final class ReadAheadQueue<Element: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private let capacity: Int
  private var ready: [Element] = []
  private var error: (any Error)?
  private var isClosed = false
  private var isFinished = false
  private var waited = Duration.zero

  package init(capacity: Int) {
    precondition(capacity > 0, "capacity must be positive, is \(capacity)")
    self.capacity = capacity
  }

  /// Produces an element once there is room and appends it. Returns whether the producer should continue: false once
  /// the queue is closed or after an error, which `take()` then throws.
  package func put(_ make: () throws -> Element) -> Bool {
    let hasRoom = condition.withLock {
      while ready.count >= capacity && !isClosed { condition.wait() }
      return !isClosed
    }
    guard hasRoom else { return false }
    let made = Result { try make() }
    return condition.withLock {
      switch made {
      case .success(let element): ready.append(element)
      case .failure(let failure): error = failure
      }
      condition.broadcast()
      return error == nil && !isClosed
    }
  }

  /// Signals that the producer thread is ending.
  package func finish() {
    condition.withLock {
      isFinished = true
      condition.broadcast()
    }
  }

  /// Removes and returns the first element, waiting for one. Elements produced before an error are returned before it
  /// is thrown.
  package func take() throws -> Element {
    try condition.withLock {
      precondition(!isClosed, "an element is asked for after close()")
      if ready.isEmpty && error == nil {
        let clock = ContinuousClock()
        let start = clock.now
        while ready.isEmpty && error == nil { condition.wait() }
        waited += clock.now - start
      }
      if ready.isEmpty, let error { throw error }
      condition.broadcast()
      return ready.removeFirst()
    }
  }

  /// Total time that `take()` has waited, in seconds.
  package var secondsWaited: Double { condition.withLock { waited / .seconds(1) } }

  /// Stops the producer and waits until its thread has ended.
  package func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
      while !isFinished { condition.wait() }
    }
  }
}
