import DataParallel

/// The losses of a step: means over the batch.
package struct MeanLosses {
  package let total: Double
  /// The parts of the loss that the task reports by name.
  package let parts: [Double]

  /// - Parameter numbers: the output of `numbers(_:)` for all micro-batches, in order.
  package init(_ numbers: [Double], microbatches: Int) {
    let size = numbers.count / microbatches
    // The mean over micro-batches of equal size is the mean over the batch.
    let means = (0..<size).map { place in
      ReductionTree.sum((0..<microbatches).map { numbers[$0 * size + place] }) / Double(microbatches)
    }
    total = means[0]
    parts = Array(means[1...])
  }

  /// A rank's losses flattened for sending, with equally many numbers per micro-batch.
  package static func numbers(_ losses: GradientAccumulation.Losses) -> [Double] {
    zip(losses.totals, losses.parts).flatMap { [$0] + $1 }
  }
}
