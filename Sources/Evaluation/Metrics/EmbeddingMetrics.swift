import Foundation
import Kernels

/// The CLIP score of images and their captions: the mean of 100 cos(image, text) over the pairs (Hessel and others,
/// "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", 2021, section 3, with torchmetrics' weight of
/// 100; torchmetrics returns 0 for a negative mean).
public struct CLIPScore: Sendable, Equatable {
  public let value: Double
  /// The standard error of the mean.
  public let error: Double

  /// - Parameters:
  ///   - images: embeddings [N, D], of any length.
  ///   - captions: embeddings [N, D].
  ///   - rows: the row of each image's caption; nil pairs row i with image i.
  /// - Throws: `EvaluationError` if the shapes differ, an embedding is zero, or there is only one image.
  public init(images: FeatureSet, captions: FeatureSet, rows: [Int]? = nil) throws {
    try FeatureSet.requireSameWidth(images, captions)
    guard images.count == captions.count else {
      throw EvaluationError(
        images.name,
        "has \(images.count) embeddings, \(captions.name) \(captions.count); expected a caption an image")
    }
    try images.require(atLeast: 2, for: "a CLIP score with its error")
    let (image, caption) = (try images.normalized(), try captions.normalized())
    let scores = (0..<image.rows).map { row in
      let (a, b) = (image.row(row), caption.row(rows?[row] ?? row))
      return 100 * (0..<image.columns).reduce(0) { $0 + a[$1] * b[$1] }
    }
    let count = Double(scores.count)
    let mean = scores.reduce(0, +) / count
    value = mean
    error = (scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count * (count - 1))).squareRoot()
  }
}

/// CMMD: the squared maximum mean discrepancy of CLIP embeddings with a Gaussian kernel, times 1000 (Jayasumana and
/// others, "Rethinking FID: Towards a Better Evaluation Metric for Image Generation", 2024, equation 2, with the
/// constants and the estimator of google-research/cmmd: σ = 10, all pairs, including those of an image with itself).
public struct CLIPMeanDiscrepancy: Sendable, Equatable {
  public let value: Double
  /// The standard error of `value`, by the jackknife that leaves out one image of either set at a time.
  public let error: Double

  private static let (sigma, scale) = (10.0, 1000.0)

  /// - Throws: `EvaluationError` if the widths differ, an embedding is zero, or a set has only one image.
  public init(_ a: FeatureSet, _ b: FeatureSet, pool: ThreadPool) throws {
    try FeatureSet.requireSameWidth(a, b)
    for set in [a, b] { try set.require(atLeast: 2, for: "CMMD with its error") }
    let (x, y) = (try a.normalized(), try b.normalized())
    let (xx, yy) = (Self.sums(x, x, pool), Self.sums(y, y, pool))
    let (xy, yx) = (Self.sums(x, y, pool), Self.sums(y, x, pool))
    let (m, n) = (Double(x.rows), Double(y.rows))
    let (ownX, ownY, cross) = (xx.reduce(0, +), yy.reduce(0, +), xy.reduce(0, +))
    value = Self.scale * (ownX / (m * m) + ownY / (n * n) - 2 * cross / (m * n))

    /// The contribution of one set's images to the squared error.
    func variance(
      _ own: [Double], _ others: [Double], _ total: Double, _ m: Double, _ n: Double, other: Double
    ) -> Double {
      // For an image with itself k - 1 is 0, so there is no self term to add back.
      let left = zip(own, others).map { own, others in
        (total - 2 * own) / ((m - 1) * (m - 1)) + other - 2 * (cross - others) / ((m - 1) * n)
      }
      let mean = left.reduce(0, +) / m
      return (m - 1) / m * left.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
    error =
      Self.scale
      * (variance(xx, xy, ownX, m, n, other: ownY / (n * n))
      + variance(yy, yx, ownY, n, m, other: ownX / (m * m))).squareRoot()
  }

  /// Σⱼ (k(xᵢ, yⱼ) - 1) for each i: the ones cancel in the means; subtracting them first avoids a loss of precision.
  private static func sums(_ x: DoubleMatrix, _ y: DoubleMatrix, _ pool: ThreadPool) -> [Double] {
    let norms = (PairwiseProducts.squaredNorms(x, pool: pool), PairwiseProducts.squaredNorms(y, pool: pool))
    let distance = SquaredDistance(x, y, leftNorms: norms.0, rightNorms: norms.1)
    var sums = [Double](repeating: 0, count: x.rows)
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      PairwiseProducts(x, y, rowsPerTask: 256).forEachBlock(pool, progress: { _ in }) { block, _, _ in
        for (index, row) in block.rows.enumerated() {
          let products = block.row(index)
          for (place, column) in block.columns.enumerated() {
            let squared = max(distance.approximate(row, column, product: products[place]), 0)
            sums[row] += expm1(-squared / (2 * sigma * sigma))
          }
        }
      }
    }
    return sums
  }
}

extension FeatureSet {
  /// The rows divided by their lengths.
  ///
  /// - Throws: `EvaluationError` naming a row that is zero.
  func normalized() throws -> DoubleMatrix {
    let result = matrix.copy()
    for row in 0..<count {
      let values = result.row(row)
      let length = (0..<width).reduce(0) { $0 + values[$1] * values[$1] }.squareRoot()
      guard length > 0 else {
        throw EvaluationError(name, "row \(row) of its embeddings is zero, so it has no direction")
      }
      for column in 0..<width { values[column] /= length }
    }
    return result
  }
}
