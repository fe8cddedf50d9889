/// The loss of a prediction against its target, averaged over all elements, with its gradient.
public enum PredictionLoss: String, CaseIterable, Sendable {
  /// |d|, PyTorch's `l1_loss`.
  case l1
  /// d², PyTorch's `mse_loss`.
  case l2
  /// d² / 2 below 1, |d| - 1/2 above: PyTorch's `smooth_l1_loss`.
  case huber

  /// Returns the mean, and writes its gradient with respect to `prediction`; all [B, size].
  ///
  /// Sums are in double precision, image by image, in order.
  ///
  /// - Parameter sampleWeights: a factor for each image's loss and gradient; nil weights all images by 1.
  public func callAsFunction(
    prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, batch: Int, size: Int,
    sampleWeights: [Float]? = nil, gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) -> Double {
    let weights = sampleWeights?.map { Double($0) } ?? [Double](repeating: 1, count: batch)
    let sums = imageSums(
      prediction: prediction, target: target, weights: weights, size: size, gradient: gradient, pool: pool)
    return sums.reduce(0, +) / Double(batch * size)
  }

  /// Returns each image's sum times its weight, and writes the gradient of the mean over the batch with respect to
  /// `prediction`. With weights of 1 it is bit-for-bit the unweighted mean.
  ///
  /// - Parameters:
  ///   - prediction: [B, size], as are `target` and `gradient`.
  ///   - weights: [B].
  public func imageSums(
    prediction: UnsafePointer<Float>, target: UnsafePointer<Float>, weights: [Double], size: Int,
    gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) -> [Double] {
    let batch = weights.count
    let scale = 1 / Float(batch * size)
    var sums = [Double](repeating: 0, count: batch)
    sums.withUnsafeMutableBufferPointer { sums in
      pool.parallel(batch) { image, _ in
        let weight = Float(weights[image])
        var sum = 0.0
        for index in image * size..<(image + 1) * size {
          let d = prediction[index] - target[index]
          let (value, slope) = valueAndSlope(d)
          sum += Double(value)
          gradient[index] = slope * scale * weight
        }
        sums[image] = sum * weights[image]
      }
    }
    return sums
  }

  @inline(__always)
  private func valueAndSlope(_ d: Float) -> (Float, Float) {
    switch self {
    case .l1: (abs(d), d > 0 ? 1 : d < 0 ? -1 : d)
    case .l2: (d * d, 2 * d)
    case .huber: abs(d) < 1 ? (0.5 * d * d, d) : (abs(d) - 0.5, d > 0 ? 1 : d < 0 ? -1 : d)
    }
  }
}
