import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// The length of the gradient, of which each rank has its parts. The flat memory is cut into pieces; a piece is one
/// rank's, whatever their number, and the pieces' sums are added in their order.
final class GradientNorm {
  /// What is trained of each of this rank's parts, cut at the pieces' borders.
  private let ranges: [[Range<Int>]]
  /// Of each piece, the sum of squares of what this rank has of it.
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

  /// Takes one of this rank's parts of the gradient in, but for what is `excluded`.
  func add(
    part index: Int, excluding excluded: [Range<Int>] = [], of gradient: ParameterBuffer,
    threads: ThreadPool
  ) {
    add(
      excluded.isEmpty ? ranges[index] : ranges[index].flatMap { $0.subtracting(excluded) }, of: gradient,
      threads)
  }

  /// Takes all of them in.
  func addParts(of gradient: ParameterBuffer, threads: ThreadPool) {
    add(Array(ranges.joined()), of: gradient, threads)
  }

  /// Takes in what lies at `offset` of the gradient, by its sum of squares.
  func add(squares: Double, at offset: Int) { sums[offset / BucketPlan.granularity] += squares }

  /// Whether all that was taken in are numbers.
  var isFinite: Bool { sums.allSatisfy(\.isFinite) }

  private func add(_ ranges: [Range<Int>], of gradient: ParameterBuffer, _ threads: ThreadPool) {
    for (range, sum) in zip(ranges, Reduction.sumsOfSquares(gradient.pointer, in: ranges, pool: threads)) {
      sums[range.lowerBound / BucketPlan.granularity] += sum
    }
  }

  /// The length of all ranks' gradients, when all have taken all of their parts in. The next one can begin then.
  /// Collective.
  ///
  /// - Throws: `MPIError`.
  func length(on communicator: Communicator) throws -> Double {
    defer { for piece in sums.indices { sums[piece] = 0 } }
    // All but one rank add 0 to a piece's sum, which changes no bit of it.
    return try communicator.allReduce(sums, .sum).reduce(0, +).squareRoot()
  }
}
