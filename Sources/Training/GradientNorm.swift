import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// The length of the gradient, of which each rank has its parts. The flat memory is cut into pieces; a piece is one
/// rank's, whatever their number, and the pieces' sums are added in their order.
struct GradientNorm {
  /// What is trained of this rank's parts, cut at the pieces' borders, and the piece that each range belongs to.
  private let ranges: [Range<Int>]
  private let pieces: [Int]
  private let pieceCount: Int

  init(layout: ParameterLayout, parts: [Range<Int>]) {
    let size = BucketPlan.granularity
    let trained = layout.segments.filter { $0.role == .trained }.map(\.range)
    ranges = parts.flatMap { part in
      trained.filter { $0.overlaps(part) }.flatMap { segment -> [Range<Int>] in
        let range = segment.clamped(to: part)
        let first = range.lowerBound / size
        return (first...(range.upperBound - 1) / size).map { range.clamped(to: $0 * size..<($0 + 1) * size) }
      }
    }
    pieces = ranges.map { $0.lowerBound / size }
    pieceCount = (layout.flatCount + size - 1) / size
  }

  /// The length of all ranks' gradients. Collective.
  ///
  /// - Throws: `MPIError`.
  func callAsFunction(_ gradient: FlatMemory, on communicator: Communicator, threads: ThreadPool) throws
    -> Double
  {
    var sums = [Double](repeating: 0, count: pieceCount)
    for (piece, sum) in zip(pieces, Reduction.sumsOfSquares(gradient.pointer, in: ranges, pool: threads)) {
      sums[piece] += sum
    }
    // All but one rank add 0 to a piece's sum, which changes no bit of it.
    return try communicator.allReduce(sums, .sum).reduce(0, +).squareRoot()
  }
}
