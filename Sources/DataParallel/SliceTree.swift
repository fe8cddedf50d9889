import Kernels
import Tensors

/// The binary tree by which slices are summed: a range of slices is the sum of its two halves, the first the larger
/// if they differ. Its shape depends on the number of slices alone; and since a rank of a power of two of ranks
/// computes a whole branch, where the ranks' borders are does not change the order of a single addition.
public enum SliceTree {
  /// Sums what `leaf` writes for each slice into `sum`, by the tree.
  ///
  /// - Parameters:
  ///   - slices: a branch of the tree, such as a rank's slices.
  ///   - branches: memory for the branches that wait for their sibling; it grows to the depth of the tree.
  ///   - leaf: writes the gradient of a slice into memory that holds zeros.
  public static func sum(
    _ slices: Range<Int>, into sum: FlatMemory, branches: inout [FlatMemory], threads: ThreadPool,
    leaf: (_ slice: Int, _ gradient: FlatMemory) throws -> Void
  ) rethrows {
    try Self.sum(slices, into: sum, depth: 0, &branches, threads, leaf)
  }

  /// The sum of a value for each slice, by the same tree.
  public static func sum(_ values: [Double]) -> Double {
    guard values.count > 1 else { return values.first ?? 0 }
    let middle = (values.count + 1) / 2
    return sum(Array(values[..<middle])) + sum(Array(values[middle...]))
  }

  private static func sum(
    _ slices: Range<Int>, into sum: FlatMemory, depth: Int, _ branches: inout [FlatMemory],
    _ threads: ThreadPool,
    _ leaf: (_ slice: Int, _ gradient: FlatMemory) throws -> Void
  ) rethrows {
    if slices.count == 1 {
      sum.clear()
      return try leaf(slices.lowerBound, sum)
    }
    let middle = slices.lowerBound + (slices.count + 1) / 2
    try Self.sum(slices.lowerBound..<middle, into: sum, depth: depth, &branches, threads, leaf)
    if depth == branches.count { branches.append(FlatMemory(count: sum.count)) }
    let right = branches[depth]
    try Self.sum(middle..<slices.upperBound, into: right, depth: depth + 1, &branches, threads, leaf)
    Elementwise.add(sum.pointer, right.pointer, output: sum.pointer, count: sum.count, pool: threads)
  }
}
