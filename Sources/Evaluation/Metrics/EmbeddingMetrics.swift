import Foundation
import Kernels

/// CLIP score of images and their captions: the mean of max(100 cos(image, text), 0) over the pairs (Hessel and others,
/// "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", 2021, section 3, with the weight 100 of
/// torchmetrics).
public enum CLIPScore {
  /// - Parameters:
  ///   - images: embeddings [N, D], of any length.
  ///   - captions: embeddings [N, D], row i that of image i's caption.
  /// - Throws: `EvaluationError` if the shapes differ or an embedding is zero.
  public static func compute(images: FeatureSet, captions: FeatureSet) throws -> Double {
    try FeatureSet.requireSameWidth(images, captions)
    guard images.count == captions.count else {
      throw EvaluationError(
        images.name,
        "has \(images.count) embeddings, \(captions.name) \(captions.count); expected a caption an image")
    }
    let (image, caption) = (try images.normalized(), try captions.normalized())
    var sum = 0.0
    for row in 0..<image.rows {
      let (a, b) = (image.row(row), caption.row(row))
      sum += max(100 * (0..<image.columns).reduce(0) { $0 + a[$1] * b[$1] }, 0)
    }
    return sum / Double(image.rows)
  }
}

/// CMMD: the squared maximum mean discrepancy of CLIP embeddings with a Gaussian kernel, times 1000 (Jayasumana and
/// others, "Rethinking FID: Towards a Better Evaluation Metric for Image Generation", 2024, equation 2, with the constants
/// and the estimate of google-research/cmmd: σ = 10, all pairs, also of an image with itself).
public enum CLIPMeanDiscrepancy {
  private static let (sigma, scale) = (10.0, 1000.0)

  /// - Throws: `EvaluationError` if the widths differ or an embedding is zero.
  public static func compute(_ a: FeatureSet, _ b: FeatureSet, pool: ThreadPool) throws -> Double {
    try FeatureSet.requireSameWidth(a, b)
    let (x, y) = (try a.normalized(), try b.normalized())
    return scale * (mean(x, x, pool) + mean(y, y, pool) - 2 * mean(x, y, pool))
  }

  /// The mean of k - 1 over all pairs: the ones cancel, and so lose no digits.
  private static func mean(_ x: DoubleMatrix, _ y: DoubleMatrix, _ pool: ThreadPool) -> Double {
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
    return sums.reduce(0, +) / Double(x.rows * y.rows)
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
