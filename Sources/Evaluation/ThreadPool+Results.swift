import Kernels
import Synchronization

extension ThreadPool {
  /// The results of `body` for each index, in order, computed on all threads.
  ///
  /// - Throws: the error of `body` at the lowest failing index, whatever the number of threads.
  func results<Value>(_ count: Int, _ body: (_ index: Int, _ worker: Int) throws -> Value) throws -> [Value] {
    var results = [Result<Value, any Error>?](repeating: nil, count: count)
    let failure = LowestIndex()
    results.withUnsafeMutableBufferPointer { results in
      let results = results
      parallel(count) { index, worker in
        // Indices before the failure still run, because they may fail too and take precedence.
        guard index < failure.value else { return }
        let result = Result { try body(index, worker) }
        if case .failure = result { failure.lower(to: index) }
        results[index] = result
      }
    }
    if failure.value < count { _ = try results[failure.value]?.get() }
    return try results.map { result in
      guard let result else { preconditionFailure("a task was not run") }
      return try result.get()
    }
  }
}

/// The lowest index reported by any thread.
private final class LowestIndex: Sendable {
  private let lowest = Atomic(Int.max)

  var value: Int { lowest.load(ordering: .relaxed) }

  func lower(to index: Int) { lowest.min(index, ordering: .relaxed) }
}
