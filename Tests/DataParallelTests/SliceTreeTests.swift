import DataParallel
import Kernels
import NumericsTestSupport
import Tensors
import Testing

@Suite struct SliceTreeTests {
  private let count = 40

  /// A slice's gradient; sizes differ a lot, so that the order of additions shows in the bits.
  private func gradient(_ slice: Int) -> [Float] {
    let scale = Float(sign: .plus, exponent: slice * 5 % 7, significand: 1)
    return normalValues(count, seed: UInt64(slice)).map { scale * $0 }
  }

  /// The tree as its definition says it.
  private func tree(_ slices: Range<Int>) -> [Float] {
    guard slices.count > 1 else { return gradient(slices.lowerBound) }
    let middle = slices.lowerBound + (slices.count + 1) / 2
    return zip(tree(slices.lowerBound..<middle), tree(middle..<slices.upperBound)).map(+)
  }

  private func sum(_ slices: Range<Int>, threads: Int = 1) -> [Float] {
    let sum = FlatMemory(count: count)
    var branches: [FlatMemory] = []
    SliceTree.sum(slices, into: sum, branches: &branches, threads: ThreadPool(threadCount: threads)) {
      _ = $1.elements.update(fromContentsOf: gradient($0))
    }
    return withExtendedLifetime(sum) { Array(sum.elements) }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 33]) func sumsFollowTheTree(slices: Int) {
    #expect(bitPatterns(sum(0..<slices)) == bitPatterns(tree(0..<slices)))
    #expect(bitPatterns(sum(5..<5 + slices, threads: 3)) == bitPatterns(tree(5..<5 + slices)))
  }

  /// If every order gave the same bits, the tests here would show nothing.
  @Test func orderShows() {
    let inOrder = (1..<24).reduce(gradient(0)) { zip($0, gradient($1)).map(+) }
    #expect(bitPatterns(inOrder) != bitPatterns(tree(0..<24)))
    #expect(relativeError(of: inOrder, from: tree(0..<24)) < 1e-6)
  }

  /// What ranks do: each sums its branch, then pairs of ranks at distance 1, 2, 4 add their sums.
  @Test(arguments: [8, 12, 16, 24], [1, 2, 4, 8])
  func branchesOfRanksMakeTheTree(slices: Int, worldSize: Int) throws {
    guard slices % worldSize == 0 else {
      #expect(throws: SliceError.self) {
        try SliceShare(batchSize: slices, slices: slices, rank: 0, worldSize: worldSize)
      }
      return
    }
    var sums = try (0..<worldSize).map { rank in
      sum(try SliceShare(batchSize: slices, slices: slices, rank: rank, worldSize: worldSize).own)
    }
    var distance = 1
    while distance < worldSize {
      sums = sums.indices.map { rank in zip(sums[rank], sums[rank ^ distance]).map(+) }
      distance *= 2
    }
    #expect(sums.allSatisfy { bitPatterns($0) == bitPatterns(tree(0..<slices)) })
  }

  /// Leaves write their memory, whatever is there, in the order of the slices; memory for branches grows to the depth and is used again.
  @Test func leavesAndBranches() {
    let sum = FlatMemory(count: count)
    var branches: [FlatMemory] = []
    var seen: [Int] = []
    let pool = ThreadPool(threadCount: 1)
    for _ in 0..<2 {
      seen = []
      SliceTree.sum(0..<12, into: sum, branches: &branches, threads: pool) { slice, gradient in
        seen.append(slice)
        gradient.elements.update(repeating: 1)
      }
      #expect(seen == Array(0..<12))
      #expect(sum.elements.allSatisfy { $0 == 12 })
      #expect(branches.count <= 4)
    }
  }

  private struct Stop: Error {}

  @Test func aLeafMayThrow() {
    let sum = FlatMemory(count: count)
    var branches: [FlatMemory] = []
    #expect(throws: Stop.self) {
      try SliceTree.sum(0..<4, into: sum, branches: &branches, threads: ThreadPool(threadCount: 1)) {
        slice, _ in
        if slice == 2 { throw Stop() }
      }
    }
  }

  @Test func numbersFollowTheSameTree() {
    #expect(SliceTree.sum([]) == 0)
    #expect(SliceTree.sum([3]) == 3)
    let values: [Double] = [0.1, 0.2, 0.3, 1e16, -1e16, 0.7, 0.9]
    let (v0, v1, v2, v3) = (values[0], values[1], values[2], values[3])
    let (v4, v5, v6) = (values[4], values[5], values[6])
    #expect(SliceTree.sum(values) == ((v0 + v1) + (v2 + v3)) + ((v4 + v5) + v6))
    // Branches of ranks, as for gradients.
    let whole = (0..<24).map { Double($0 * $0) * 0.1 }
    let parts = (0..<4).map { SliceTree.sum(Array(whole[$0 * 6..<($0 + 1) * 6])) }
    #expect(SliceTree.sum(parts) == SliceTree.sum(whole))
  }
}
