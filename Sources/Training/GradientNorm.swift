import DataParallel
import Kernels
import Layers
import MPI
import Tensors

/// The lengths of the gradients of groups of parameters, of which each rank has its parts. The flat memory is cut into
/// pieces, and at the groups' borders; a piece is one rank's, whatever their number, and the pieces' sums are added in
/// their order.
final class GradientNorm {
  /// Where each group of parameters lies.
  private let groups: [Range<Int>]
  /// What is trained of each of this rank's parts, cut at the pieces' borders.
  private let ranges: [[Range<Int>]]
  /// Of each group, and of each piece of the flat memory, the sum of squares of what this rank has of it.
  private var sums: [Double]
  private let pieces: Int

  /// - Parameter groups: one after the other, all of the flat memory.
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
  func add(squares: Double, at offset: Int) {
    guard let group = groups.firstIndex(where: { $0.contains(offset) }) else {
      preconditionFailure("\(offset) lies in none of \(groups)")
    }
    sums[group * pieces + offset / BucketPlan.granularity] += squares
  }

  /// Whether all that was taken in are numbers.
  var isFinite: Bool { sums.allSatisfy(\.isFinite) }

  private func add(_ ranges: [Range<Int>], of gradient: ParameterBuffer, _ threads: ThreadPool) {
    for (range, sum) in zip(ranges, Reduction.sumsOfSquares(gradient.pointer, in: ranges, pool: threads)) {
      add(squares: sum, at: range.lowerBound)
    }
  }

  /// The length of all ranks' gradients of each group, when all have taken all of their parts in. The next ones can begin
  /// then. Collective.
  ///
  /// - Throws: `MPIError`.
  func lengths(on communicator: Communicator) throws -> [Double] {
    defer { for piece in sums.indices { sums[piece] = 0 } }
    // All but one rank add 0 to a piece's sum, which changes no bit of it.
    let all = try communicator.allReduce(sums, .sum)
    return groups.indices.map { all[$0 * pieces..<($0 + 1) * pieces].reduce(0, +).squareRoot() }
  }
}
