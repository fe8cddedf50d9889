/// Steps whose loss or gradient is no number: they are left out, and a run of them ends the training.
struct SkippedSteps {
  /// How many in a row are left out before the run gives up.
  let limit: Int
  private var inARow = 0
  /// All of this start.
  private(set) var count = 0

  init(limit: Int) { self.limit = limit }

  /// A step went well.
  mutating func end() { inARow = 0 }

  /// A step was skipped.
  ///
  /// - Parameters:
  ///   - microbatches: those whose loss or gradient is non-finite; empty if only their sum is.
  ///   - microbatchesPerRank: how many micro-batches a rank computes.
  /// - Returns: what to tell of it.
  /// - Throws: `NonFiniteError` if it was one too many.
  mutating func add(step: Int, microbatches: [Int], microbatchesPerRank: Int) throws -> String {
    inARow += 1
    count += 1
    let ranks = Set(microbatches.map { $0 / microbatchesPerRank }).sorted()
    let place =
      microbatches.isEmpty
      ? "the sum over the micro-batches"
      : "\(Self.list("micro-batch", microbatches)) on \(Self.list("rank", ranks))"
    let problem = "loss or gradient of \(place) is no number"
    guard inARow <= limit else { throw NonFiniteError(step: step, count: inARow, problem: problem) }
    return problem
  }

  private static func list(_ name: String, _ numbers: [Int]) -> String {
    "\(name)\(numbers.count == 1 ? "" : "s") \(numbers.map(String.init).joined(separator: ", "))"
  }
}

/// Too many steps whose loss or gradient is no number; the weights are those before them.
public struct NonFiniteError: Error, CustomStringConvertible {
  private let problem: String

  init(step: Int, count: Int, problem: String) {
    let before =
      count == 1 ? "and training.max_skipped_steps is 0" : "as in the \(count - 1) steps before"
    self.problem = "step \(step): \(problem), \(before). The last checkpoint is good"
  }

  private init(_ problem: String) { self.problem = problem }

  /// A run that has come to its end without an update.
  static func nothingTrained(steps: Int) -> Self {
    Self("all \(steps) steps were skipped, since loss or gradient were no numbers: nothing was trained")
  }

  public var description: String {
    "\(problem). A lower optimizer.learning_rate, optimizer.warmup_steps or optimizer.clip_norm may help"
  }
}
