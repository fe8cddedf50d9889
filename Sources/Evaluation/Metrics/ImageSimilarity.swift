import Foundation

/// The pixelwise similarity of an image to a reference, by which an autoencoder is evaluated.
///
/// Images are [H, W, C]; all sums are float64.
public enum ImageSimilarity {
  /// The peak signal-to-noise ratio in dB, 10 log₁₀(R² / MSE), over all values; infinite for equal images.
  ///
  /// - Parameter range: R, the distance from the smallest to the largest possible value: 255, 1, or 2 for [-1, 1].
  public static func peakSignalToNoise(_ image: [Float], _ reference: [Float], range: Double) -> Double {
    precondition(
      image.count == reference.count && !image.isEmpty, "\(image.count) against \(reference.count) values")
    precondition(range > 0, "a range of \(range)")
    let sum = zip(image, reference).reduce(0.0) {
      let difference = Double($1.0) - Double($1.1)
      return $0 + difference * difference
    }
    return 10 * log10(range * range * Double(image.count) / sum)
  }

  /// The radius of a window in pixels, and the standard deviation of its Gaussian weights.
  private static let (radius, sigma) = (5, 1.5)

  /// The structural similarity, at most 1 (Wang and others, "Image Quality Assessment: From Error Visibility to
  /// Structural Similarity", 2004, equation 13): the mean over all channels and all 11 x 11 windows within the image,
  /// with Gaussian weights (σ = 1.5), biased (co)variances, K₁ = 0.01 and K₂ = 0.03. Agrees with scikit-image for
  /// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1`, and with torchmetrics' defaults.
  ///
  /// - Parameters:
  ///   - shape: H, W, C.
  ///   - range: as above.
  /// - Throws: `EvaluationError` for images smaller than a window.
  public static func structuralSimilarity(
    _ image: [Float], _ reference: [Float], shape: (height: Int, width: Int, channels: Int), range: Double
  ) throws -> Double {
    let (height, width, channels) = shape
    precondition(
      image.count == height * width * channels && image.count == reference.count && channels > 0,
      "\(image.count) and \(reference.count) values for \(height) x \(width) x \(channels)")
    precondition(range > 0, "a range of \(range)")
    let window = 2 * radius + 1
    guard height >= window, width >= window else {
      throw EvaluationError(
        "structural similarity",
        "images of \(height) x \(width) are smaller than its window, \(window) x \(window)")
    }
    let (c1, c2) = (0.01 * range * 0.01 * range, 0.03 * range * 0.03 * range)
    var sum = 0.0
    for channel in 0..<channels {
      func plane(_ value: (Double, Double) -> Double) -> [Double] {
        blurred(
          (0..<height * width).map {
            value(Double(image[$0 * channels + channel]), Double(reference[$0 * channels + channel]))
          }, height, width)
      }
      let (x, y) = (plane { x, _ in x }, plane { _, y in y })
      let (xx, yy, xy) = (plane { x, _ in x * x }, plane { _, y in y * y }, plane { $0 * $1 })
      for place in x.indices {
        let (mx, my) = (x[place], y[place])
        let (vx, vy, covariance) = (xx[place] - mx * mx, yy[place] - my * my, xy[place] - mx * my)
        sum +=
          (2 * mx * my + c1) * (2 * covariance + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
      }
    }
    return sum / Double(channels * (height - 2 * radius) * (width - 2 * radius))
  }

  /// Weighted means over all windows in a plane [height, width]: [height - 10, width - 10].
  private static func blurred(_ plane: [Double], _ height: Int, _ width: Int) -> [Double] {
    let raw = (-radius...radius).map { exp(-Double($0 * $0) / (2 * sigma * sigma)) }
    let total = raw.reduce(0, +)
    let weights = raw.map { $0 / total }
    let (rows, columns) = (height - 2 * radius, width - 2 * radius)
    var lines = [Double](repeating: 0, count: rows * width)
    for row in 0..<rows {
      for (tap, weight) in weights.enumerated() {
        for column in 0..<width {
          lines[row * width + column] += weight * plane[(row + tap) * width + column]
        }
      }
    }
    var result = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        result[row * columns + column] = weights.indices.reduce(0) {
          $0 + weights[$1] * lines[row * width + column + $1]
        }
      }
    }
    return result
  }
}
