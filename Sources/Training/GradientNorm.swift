import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// Computes the gradient norm of each group of parameters, for gradients that are distributed over the ranks. The flat
/// memory is divided into fixed pieces and at the boundaries of groups. Each piece is owned by a single rank whatever
/// the number of ranks, and the pieces' sums of squares are added in order.
final class GradientNorm {
  /// The range of each group of parameters.
  private let groups: [Range<Int>]
  /// The trained ranges of each of this rank's parts, split at piece boundaries.
  private let ranges: [[Range<Int>]]
  /// For each group, and for each piece of the flat memory, the sum of squares of this rank's gradient values.
  private var sums: [Double]
  private let pieces: Int

  /// - Parameter groups: consecutive groups that cover the flat memory.
  init(layout: ParameterLayout, parts: [Range<Int>], groups: [Range<Int>]) {
    let size = BucketPlan.granularity
    self.groups = groups
    let trained = groups.flatMap { group in
      layout.segments().filter { $0.role == .trained && $0.range.overlaps(group) }
        .map { $0.range.clamped(to: group) }
    }
    ranges = parts.map { part in
      trained.filter { $0.overlaps(part) }.flatMap { segment -> [Range<Int>] in
        let range = segment.clamped(to: part)
        let first = range.lowerBound / size
        return (first...(range.upperBound - 1) / size).map { range.clamped(to: $0 * size..<($0 + 1) * size) }
      }
    }
    pieces = (layout.flatCount + size - 1) / size
    sums = [Double](repeating: 0, count: groups.count * pieces)
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
  func add(squares: Double, at offset: Int) {
    guard let group = groups.firstIndex(where: { $0.contains(offset) }) else {
      preconditionFailure("\(offset) lies in none of \(groups)")
    }
    sums[group * pieces + offset / BucketPlan.granularity] += squares
  }

  /// Whether all values added so far are finite.
  var isFinite: Bool { sums.allSatisfy(\.isFinite) }

  private func add(_ ranges: [Range<Int>], of gradient: ParameterBuffer, _ threads: ThreadPool) {
    for (range, sum) in zip(ranges, Reduction.sumsOfSquares(gradient.pointer, in: ranges, pool: threads)) {
      add(squares: sum, at: range.lowerBound)
    }
  }

  /// The norm of each group's whole gradient, once every rank has added all of its parts; resets the sums for the next
  /// step. Collective.
  ///
  /// - Throws: `MPIError`.
  func lengths(on communicator: Communicator) throws -> [Double] {
    defer { for piece in sums.indices { sums[piece] = 0 } }
    // All ranks but one contribute 0 to a piece's sum, which leaves it unchanged bit for bit.
    let all = try communicator.allReduce(sums, .sum)
    return groups.indices.map { all[$0 * pieces..<($0 + 1) * pieces].reduce(0, +).squareRoot() }
  }
}
