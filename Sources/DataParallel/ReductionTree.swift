import Kernels
import Tensors

/// The binary tree over which the gradients of micro-batches are summed. The sum of a range of micro-batches is the sum
/// of its two halves, the first being the larger if they differ. The tree's shape depends only on the number of
/// micro-batches; and since each of a power of two of ranks computes a whole subtree, the partition among ranks does
/// not change the order of any addition.
public enum ReductionTree {
  /// Sums the gradients that `leaf` computes for each micro-batch into `sum`, along the tree.
  ///
  /// - Parameters:
  ///   - microbatches: a subtree, such as a rank's micro-batches.
  ///   - branches: scratch buffers for partial sums; grows to the depth of the tree.
  ///   - leaf: writes the gradient of a micro-batch into zeroed memory.
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

  /// Like the other `sum`, but adds each range of the last micro-batch's gradient up the tree as soon as it is
  /// complete, so that this part of the sum is available while the rest is still being computed.
  ///
  /// - Parameter lastLeaf: writes the gradient of the last micro-batch, and calls `complete` exactly once for every
  ///   range of it, as soon as that range is final; when `complete` returns, the range of `sum` is final.
  public static func sum(
    _ microbatches: Range<Int>, into sum: ParameterBuffer, branches: inout [ParameterBuffer],
    threads: ThreadPool,
    leaf: (_ microbatch: Int, _ gradient: ParameterBuffer) throws -> Void,
    lastLeaf: (_ microbatch: Int, _ gradient: ParameterBuffer, _ complete: (Range<Int>) -> Void) throws ->
      Void
  ) rethrows {
    // Walks from the root to the last leaf: at each level, sums the left half and descends into the right one.
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

  /// Sums one value per micro-batch along the same tree.
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
