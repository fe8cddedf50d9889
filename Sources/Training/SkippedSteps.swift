/// Counts steps that are skipped because their loss or gradient is non-finite; too many in a row end the training.
struct SkippedSteps {
  /// How many consecutive steps may be skipped before the run gives up.
  let limit: Int
  private var inARow = 0
  /// All skipped steps since this start.
  private(set) var count = 0

  init(limit: Int) { self.limit = limit }

  /// Notes a successful step.
  mutating func end() { inARow = 0 }

  /// Notes a skipped step.
  ///
  /// - Parameters:
  ///   - microbatches: those with a non-finite loss or gradient; empty if only their sum is non-finite.
  ///   - microbatchesPerRank: number of micro-batches that a rank computes.
  /// - Returns: the message to log.
  /// - Throws: `NonFiniteError` if the limit is exceeded.
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

/// Too many consecutive steps with a non-finite loss or gradient; the weights are those from before these steps.
public struct NonFiniteError: Error, CustomStringConvertible {
  private let problem: String

  init(step: Int, count: Int, problem: String) {
    let before =
      count == 1 ? "and training.max_skipped_steps is 0" : "as in the \(count - 1) steps before"
    self.problem = "step \(step): \(problem), \(before). The last checkpoint is good"
  }

  private init(_ problem: String) { self.problem = problem }

  /// For a run that reached its end without a single update.
  static func nothingTrained(steps: Int) -> Self {
    Self("all \(steps) steps were skipped, since loss or gradient were no numbers: nothing was trained")
  }

  public var description: String {
    "\(problem). A lower optimizer.learning_rate, optimizer.warmup_steps or optimizer.clip_norm may help"
  }
}
