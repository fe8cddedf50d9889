import DataParallel
import Kernels
import NumericsTestSupport
import Tensors
import Testing

@Suite struct ReductionTreeTests {
  private let count = 40

  /// A micro-batch's gradient; sizes differ a lot, so that the order of additions shows in the bits.
  private func gradient(_ microbatch: Int) -> [Float] {
    let scale = Float(sign: .plus, exponent: microbatch * 5 % 7, significand: 1)
    return normalValues(count, seed: UInt64(microbatch)).map { scale * $0 }
  }

  /// The tree as its definition says it.
  private func tree(_ microbatches: Range<Int>) -> [Float] {
    guard microbatches.count > 1 else { return gradient(microbatches.lowerBound) }
    let middle = microbatches.lowerBound + (microbatches.count + 1) / 2
    return zip(tree(microbatches.lowerBound..<middle), tree(middle..<microbatches.upperBound)).map(+)
  }

  private func sum(_ microbatches: Range<Int>, threads: Int = 1) -> [Float] {
    let sum = ParameterBuffer(count: count)
    var branches: [ParameterBuffer] = []
    ReductionTree.sum(microbatches, into: sum, branches: &branches, threads: ThreadPool(threadCount: threads))
    {
      _ = $1.elements.update(fromContentsOf: gradient($0))
    }
    return withExtendedLifetime(sum) { Array(sum.elements) }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 33]) func sumsFollowTheTree(microbatches: Int) {
    #expect(bitPatterns(sum(0..<microbatches)) == bitPatterns(tree(0..<microbatches)))
    #expect(bitPatterns(sum(5..<5 + microbatches, threads: 3)) == bitPatterns(tree(5..<5 + microbatches)))
  }

  /// If every order gave the same bits, the tests here would show nothing.
  @Test func orderShows() {
    let inOrder = (1..<24).reduce(gradient(0)) { zip($0, gradient($1)).map(+) }
    #expect(bitPatterns(inOrder) != bitPatterns(tree(0..<24)))
    #expect(relativeError(of: inOrder, from: tree(0..<24)) < 1e-6)
  }

  /// What ranks do: each sums its branch, then pairs of ranks at distance 1, 2, 4 add their sums.
  @Test(arguments: [8, 12, 16, 24], [1, 2, 4, 8])
  func branchesOfRanksMakeTheTree(microbatches: Int, worldSize: Int) throws {
    guard microbatches % worldSize == 0 else {
      #expect(throws: MicrobatchError.self) {
        try MicrobatchAssignment(
          batchSize: microbatches, microbatches: microbatches, rank: 0, worldSize: worldSize)
      }
      return
    }
    var sums = try (0..<worldSize).map { rank in
      sum(
        try MicrobatchAssignment(
          batchSize: microbatches, microbatches: microbatches, rank: rank, worldSize: worldSize
        ).own)
    }
    var distance = 1
    while distance < worldSize {
      sums = sums.indices.map { rank in zip(sums[rank], sums[rank ^ distance]).map(+) }
      distance *= 2
    }
    #expect(sums.allSatisfy { bitPatterns($0) == bitPatterns(tree(0..<microbatches)) })
  }

  /// Leaves write their memory, whatever is there, in the order of the micro-batches; memory for branches grows to the depth and is used again.
  @Test func leavesAndBranches() {
    let sum = ParameterBuffer(count: count)
    var branches: [ParameterBuffer] = []
    var seen: [Int] = []
    let pool = ThreadPool(threadCount: 1)
    for _ in 0..<2 {
      seen = []
      ReductionTree.sum(0..<12, into: sum, branches: &branches, threads: pool) { microbatch, gradient in
        seen.append(microbatch)
        gradient.elements.update(repeating: 1)
      }
      #expect(seen == Array(0..<12))
      #expect(sum.elements.allSatisfy { $0 == 12 })
      #expect(branches.count <= 4)
    }
  }

  private struct Stop: Error {}

  @Test func aLeafMayThrow() {
    let sum = ParameterBuffer(count: count)
    var branches: [ParameterBuffer] = []
    #expect(throws: Stop.self) {
      try ReductionTree.sum(0..<4, into: sum, branches: &branches, threads: ThreadPool(threadCount: 1)) {
        microbatch, _ in
        if microbatch == 2 { throw Stop() }
      }
    }
  }

  @Test func numbersFollowTheSameTree() {
    #expect(ReductionTree.sum([]) == 0)
    #expect(ReductionTree.sum([3]) == 3)
    let values: [Double] = [0.1, 0.2, 0.3, 1e16, -1e16, 0.7, 0.9]
    let (v0, v1, v2, v3) = (values[0], values[1], values[2], values[3])
    let (v4, v5, v6) = (values[4], values[5], values[6])
    #expect(ReductionTree.sum(values) == ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + v6))
    // Branches of ranks, as for gradients.
    let whole = (0..<24).map { Double($0 * $0) * 0.1 }
    let parts = (0..<4).map { ReductionTree.sum(Array(whole[$0 * 6..<($0 + 1) * 6])) }
    #expect(ReductionTree.sum(parts) == ReductionTree.sum(whole))
  }
}
