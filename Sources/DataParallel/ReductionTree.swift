import Kernels
import Tensors

/// The binary tree by which micro-batches are summed: a range of micro-batches is the sum of its two halves, the first the larger
/// if they differ. Its shape depends on the number of micro-batches alone; and since a rank of a power of two of ranks
/// computes a whole branch, where the ranks' borders are does not change the order of a single addition.
public enum ReductionTree {
  /// Sums what `leaf` writes for each micro-batch into `sum`, by the tree.
  ///
  /// - Parameters:
  ///   - microbatches: a branch of the tree, such as a rank's micro-batches.
  ///   - branches: memory for the branches that wait for their sibling; it grows to the depth of the tree.
  ///   - leaf: writes the gradient of a micro-batch into memory that holds zeros.
  public static func sum(
    _ microbatches: Range<Int>, into sum: ParameterBuffer, branches: inout [ParameterBuffer],
    threads: ThreadPool,
    leaf: (_ microbatch: Int, _ gradient: ParameterBuffer) throws -> Void
  ) rethrows {
    try Self.sum(microbatches, into: sum, branches: &branches, threads: threads, leaf: leaf) {
      microbatch, gradient, complete in
      try leaf(microbatch, gradient)
      complete(0..<sum.count)
    }
  }

  /// As the other `sum`, but of the last micro-batch's gradient each range is added up the tree when it is complete, so that
  /// others can have that part of the sum while the rest is still being computed.
  ///
  /// - Parameter lastLeaf: writes the gradient of the last micro-batch, and calls `complete` for every range of it, once,
  ///   as soon as nothing more is written there; when that returns, the range of `sum` has its values.
  public static func sum(
    _ microbatches: Range<Int>, into sum: ParameterBuffer, branches: inout [ParameterBuffer],
    threads: ThreadPool,
    leaf: (_ microbatch: Int, _ gradient: ParameterBuffer) throws -> Void,
    lastLeaf: (_ microbatch: Int, _ gradient: ParameterBuffer, _ complete: (Range<Int>) -> Void) throws ->
      Void
  ) rethrows {
    // From the root to the last leaf: at each step the left half is summed, and the right one waits below it.
    var path = [sum]
    var range = microbatches
    while range.count > 1 {
      let middle = range.lowerBound + (range.count + 1) / 2
      let depth = path.count - 1
      try Self.sum(range.lowerBound..<middle, into: path[depth], depth: depth, &branches, threads, leaf)
      if depth == branches.count { branches.append(ParameterBuffer(count: sum.count)) }
      path.append(branches[depth])
      range = middle..<range.upperBound
    }
    let gradient = path[path.count - 1]
    try lastLeaf(range.lowerBound, gradient) { range in
      for (left, right) in zip(path, path.dropFirst()).reversed() {
        Elementwise.add(
          left.pointer + range.lowerBound, right.pointer + range.lowerBound,
          output: left.pointer + range.lowerBound, count: range.count, pool: threads)
      }
    }
  }

  /// The sum of a value for each micro-batch, by the same tree.
  public static func sum(_ values: [Double]) -> Double {
    guard values.count > 1 else { return values.first ?? 0 }
    let middle = (values.count + 1) / 2
    return sum(Array(values[..<middle])) + sum(Array(values[middle...]))
  }

  private static func sum(
    _ microbatches: Range<Int>, into sum: ParameterBuffer, depth: Int, _ branches: inout [ParameterBuffer],
    _ threads: ThreadPool,
    _ leaf: (_ microbatch: Int, _ gradient: ParameterBuffer) throws -> Void
  ) rethrows {
    if microbatches.count == 1 {
      return try leaf(microbatches.lowerBound, sum)
    }
    let middle = microbatches.lowerBound + (microbatches.count + 1) / 2
    try Self.sum(microbatches.lowerBound..<middle, into: sum, depth: depth, &branches, threads, leaf)
    if depth == branches.count { branches.append(ParameterBuffer(count: sum.count)) }
    let right = branches[depth]
    try Self.sum(middle..<microbatches.upperBound, into: right, depth: depth + 1, &branches, threads, leaf)
    Elementwise.add(sum.pointer, right.pointer, output: sum.pointer, count: sum.count, pool: threads)
  }
}
