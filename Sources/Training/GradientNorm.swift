import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// Computes the norm of a gradient that is distributed over the ranks. The flat memory is divided into fixed pieces,
/// each owned by a single rank whatever the number of ranks, and the pieces' sums of squares are added in order.
final class GradientNorm {
  /// The trained ranges of each of this rank's parts, split at piece boundaries.
  private let ranges: [[Range<Int>]]
  /// For each piece, the sum of squares of the gradient values that this rank has.
  private var sums: [Double]

  init(layout: ParameterLayout, parts: [Range<Int>]) {
    let size = BucketPlan.granularity
    let trained = layout.segments().filter { $0.role == .trained }.map(\.range)
    ranges = parts.map { part in
      trained.filter { $0.overlaps(part) }.flatMap { segment -> [Range<Int>] in
        let range = segment.clamped(to: part)
        let first = range.lowerBound / size
        return (first...(range.upperBound - 1) / size).map { range.clamped(to: $0 * size..<($0 + 1) * size) }
      }
    }
    sums = [Double](repeating: 0, count: (layout.flatCount + size - 1) / size)
  }

  /// Adds one of this rank's parts of the gradient, except for the `excluded` ranges.
  func add(
    part index: Int, excluding excluded: [Range<Int>] = [], of gradient: ParameterBuffer,
    threads: ThreadPool
  ) {
    add(
      excluded.isEmpty ? ranges[index] : ranges[index].flatMap { $0.subtracting(excluded) }, of: gradient,
      threads)
  }

  /// Adds all of this rank's parts.
  func addParts(of gradient: ParameterBuffer, threads: ThreadPool) {
    add(Array(ranges.joined()), of: gradient, threads)
  }

  /// Adds a range of the gradient that starts at `offset`, given its sum of squares.
  func add(squares: Double, at offset: Int) { sums[offset / BucketPlan.granularity] += squares }

  /// Whether all values added so far are finite.
  var isFinite: Bool { sums.allSatisfy(\.isFinite) }

  private func add(_ ranges: [Range<Int>], of gradient: ParameterBuffer, _ threads: ThreadPool) {
    for (range, sum) in zip(ranges, Reduction.sumsOfSquares(gradient.pointer, in: ranges, pool: threads)) {
      sums[range.lowerBound / BucketPlan.granularity] += sum
    }
  }

  /// The norm of the whole gradient, once every rank has added all of its parts; resets the sums for the next step.
  /// Collective.
  ///
  /// - Throws: `MPIError`.
  func length(on communicator: Communicator) throws -> Double {
    defer { for piece in sums.indices { sums[piece] = 0 } }
    // All ranks but one contribute 0 to a piece's sum, which leaves it unchanged bit for bit.
    return try communicator.allReduce(sums, .sum).reduce(0, +).squareRoot()
  }
}
