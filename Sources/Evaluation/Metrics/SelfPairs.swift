import Kernels

/// Statistics over the pairs within one set: sums of KID's kernel, and distances to nearest neighbours.
struct SelfPairs {
  /// Σ_{j ≠ i} k(xᵢ, xⱼ) for each i.
  let kernelSums: [Double]
  /// For each requested neighbour k, the squared distance of each image to its k-th nearest neighbour.
  let squaredRadii: [[Double]]

  /// The maximum number of products that a task keeps, for its rows with all others: 16 MB.
  private static let productsPerTask = 1 << 21

  /// - Parameter neighbours: k for each radius, ascending, below the number of images; 1 is the nearest other image.
  init(
    _ features: FeatureSet, norms: [Double], kernel: CubicKernel, neighbours: [Int], pool: ThreadPool,
    progress: (Int) -> Void
  ) {
    let (n, most) = (features.count, neighbours.last ?? 0)
    precondition(most < n, "neighbour \(most) of \(n) images")
    let distance = SquaredDistance(features.matrix, features.matrix, leftNorms: norms, rightNorms: norms)
    let pairs = PairwiseProducts(
      features.matrix, features.matrix, rowsPerTask: min(max(Self.productsPerTask / n, 16), 128))
    let kept = (0..<pool.threadCount).map { _ in DoubleMatrix(rows: pairs.rowsPerTask, columns: n) }
    var sums = [Double](repeating: 0, count: n)
    var radii = [Double](repeating: 0, count: n * neighbours.count)
    sums.withUnsafeMutableBufferPointer { sums in
      radii.withUnsafeMutableBufferPointer { radii in
        let (sums, radii) = (sums, radii)
        pairs.forEachBlock(pool, progress: progress) { block, _, worker in
          let distances = kept[worker]
          for (index, row) in block.rows.enumerated() {
            let (products, target) = (block.row(index), distances.row(index))
            var sum = 0.0
            for (place, column) in block.columns.enumerated() {
              target[column] = distance.approximate(row, column, product: products[place])
              if column != row { sum += kernel(products[place]) }
            }
            sums[row] += sum
          }
          guard block.columns.upperBound == n else { return }
          for (index, row) in block.rows.enumerated() {
            Self.radii(
              of: row, approximately: UnsafePointer(distances.row(index)), distance, neighbours,
              into: radii.baseAddress! + row * neighbours.count)
          }
        }
      }
    }
    kernelSums = sums
    squaredRadii = neighbours.indices.map { place in (0..<n).map { radii[$0 * neighbours.count + place] } }
  }

  /// Writes the squared distances of image `row` to its neighbours, each summed directly.
  private static func radii(
    of row: Int, approximately distances: UnsafePointer<Double>, _ distance: SquaredDistance,
    _ neighbours: [Int], into radii: UnsafeMutablePointer<Double>
  ) {
    guard let most = neighbours.last else { return }
    let n = distance.right.rows
    // The smallest upper bounds on the distances: no neighbour lies beyond the largest of them.
    var bounds = [Double](repeating: .infinity, count: most)
    for column in 0..<n where column != row {
      let bound = distances[column] + distance.error(row, column)
      guard bound < bounds[most - 1] else { continue }
      var place = most - 1
      while place > 0 && bounds[place - 1] > bound {
        bounds[place] = bounds[place - 1]
        place -= 1
      }
      bounds[place] = bound
    }
    var candidates: [Double] = []
    for column in 0..<n
    where column != row && distances[column] - distance.error(row, column) <= bounds[most - 1] {
      candidates.append(distance.direct(row, column))
    }
    candidates.sort()
    for (place, neighbour) in neighbours.enumerated() { radii[place] = candidates[neighbour - 1] }
  }
}
