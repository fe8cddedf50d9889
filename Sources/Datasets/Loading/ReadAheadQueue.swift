import Foundation

/// A queue between a thread that makes elements and one that takes them, which lets the maker run ahead by a few.
///
/// `@unchecked Sendable`: all that changes is touched under the condition's lock only.
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

  /// Makes an element when there is room for one, and adds it. Returns whether to go on: not when the queue is closed,
  /// nor after an error, which `take()` then throws.
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

  /// Says that the maker's thread ends.
  package func finish() {
    condition.withLock {
      isFinished = true
      condition.broadcast()
    }
  }

  /// The first element, when there is one. Elements made before an error are taken before it is thrown.
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

  /// The seconds that `take()` has waited in all.
  package var secondsWaited: Double { condition.withLock { waited / .seconds(1) } }

  /// Stops the maker and waits until its thread has ended.
  package func close() {
    condition.withLock {
      isClosed = true
      condition.broadcast()
      while !isFinished { condition.wait() }
    }
  }
}
