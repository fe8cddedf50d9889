import Synchronization

/// The lowest index that any thread has told of.
final class LowestIndex: Sendable {
  private let lowest = Atomic(Int.max)

  var value: Int { lowest.load(ordering: .relaxed) }

  func lower(to index: Int) { lowest.min(index, ordering: .relaxed) }
}
