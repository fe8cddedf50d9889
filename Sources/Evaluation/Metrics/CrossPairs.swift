import Kernels

/// Statistics over the pairs of generated and reference images: sums of KID's kernel, and which images lie within the
/// neighbourhoods of which.
struct CrossPairs {
  /// Σⱼ k(xᵢ, yⱼ) for each generated image i, and Σᵢ for each reference image j.
  let generatedKernelSums: [Double]
  let referenceKernelSums: [Double]
  /// The number of generated images within the closed ball of any reference image, and the reverse, with the smaller
  /// neighbourhood.
  let generatedCovered: Int
  let referenceCovered: Int
  /// The number of pairs with the generated image in the open ball of the reference image, and of reference images in
  /// any such pair, with the larger neighbourhood.
  let pairsWithin: Int
  let referenceReached: Int

  /// Squared radii of the balls around the images of both sets.
  struct Radii {
    let generated: [Double]
    let reference: [Double]
    /// For the larger neighbourhood of the reference images.
    let referenceLarger: [Double]
  }

  private enum Flag {
    static let covered: UInt8 = 1
    static let reached: UInt8 = 2
  }

  init(
    generated: FeatureSet, reference: FeatureSet, norms: (generated: [Double], reference: [Double]),
    kernel: CubicKernel, radii: Radii, pool: ThreadPool, progress: (Int) -> Void
  ) {
    let (m, n) = (generated.count, reference.count)
    let distance = SquaredDistance(
      generated.matrix, reference.matrix, leftNorms: norms.generated, rightNorms: norms.reference)
    let pairs = PairwiseProducts(generated.matrix, reference.matrix, rowsPerTask: 512)
    var rowSums = [Double](repeating: 0, count: m)
    var rowCovered = [Bool](repeating: false, count: m)
    var rowCounts = [Int](repeating: 0, count: m)
    // Column sums are added task by task, in order. Flags are only ever set, so each worker has its own.
    let columnSums = DoubleMatrix(rows: pairs.tasks, columns: n, isCleared: true)
    var flags = [UInt8](repeating: 0, count: pool.threadCount * n)
    rowSums.withUnsafeMutableBufferPointer { rowSums in
      rowCovered.withUnsafeMutableBufferPointer { rowCovered in
        rowCounts.withUnsafeMutableBufferPointer { rowCounts in
          flags.withUnsafeMutableBufferPointer { flags in
            let (rowSums, rowCovered, rowCounts, flags) = (rowSums, rowCovered, rowCounts, flags)
            pairs.forEachBlock(pool, progress: progress) { block, task, worker in
              let (sums, flags) = (columnSums.row(task), flags.baseAddress! + worker * n)
              for (index, row) in block.rows.enumerated() {
                let products = block.row(index)
                var (sum, count, isCovered) = (0.0, 0, false)
                for (place, column) in block.columns.enumerated() {
                  let value = kernel(products[place])
                  sum += value
                  sums[column] += value
                  var squared = distance.approximate(row, column, product: products[place])
                  let (own, other) = (radii.generated[row], radii.reference[column])
                  let larger = radii.referenceLarger[column]
                  let error = distance.error(row, column)
                  // Too close to call: the radii were summed directly, and the same pair gives the same bits.
                  if abs(squared - own) <= error || abs(squared - other) <= error
                    || abs(squared - larger) <= error
                  {
                    squared = distance.direct(row, column)
                  }
                  if squared <= other { isCovered = true }
                  if squared <= own { flags[column] |= Flag.covered }
                  if squared < larger {
                    count += 1
                    flags[column] |= Flag.reached
                  }
                }
                rowSums[row] += sum
                rowCounts[row] += count
                if isCovered { rowCovered[row] = true }
              }
            }
          }
        }
      }
    }
    generatedKernelSums = rowSums
    referenceKernelSums = (0..<n).map { column in
      (0..<pairs.tasks).reduce(0) { $0 + columnSums[$1, column] }
    }
    generatedCovered = rowCovered.count { $0 }
    pairsWithin = rowCounts.reduce(0, +)
    func count(_ flag: UInt8) -> Int {
      (0..<n).count { column in
        (0..<pool.threadCount).contains { flags[$0 * n + column] & flag != 0 }
      }
    }
    referenceCovered = count(Flag.covered)
    referenceReached = count(Flag.reached)
  }
}
