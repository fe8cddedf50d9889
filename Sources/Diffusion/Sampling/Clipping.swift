import Kernels

/// How x_0 is kept within the range of the data at every evaluation.
public enum Clipping: Hashable, Sendable {
  case none
  /// To [-range, range].
  case fixed(range: Double)
  /// Dynamic thresholding (Saharia et al., 2022, section 2.3): with s the `ratio`-quantile of |x_0| in an image, at
  /// least 1 and at most `maximum`, x_0 is clipped to [-s, s] and divided by s.
  case dynamic(ratio: Double, maximum: Double)

  /// - Parameter images: x_0 [n · size], `size` values per image.
  func apply(to images: inout [Float], size: Int, threads: ThreadPool) {
    let clipping = self
    images.withUnsafeMutableBufferPointer { images in
      switch clipping {
      case .none: return
      case .fixed(let range): Self.clip(images, to: Float(range))
      case .dynamic(let ratio, let maximum):
        threads.parallel(images.count / size) { image, _ in
          let image = UnsafeMutableBufferPointer(rebasing: images[image * size..<(image + 1) * size])
          let quantile = Self.quantile(ratio, of: image.map(abs))
          let bound = min(max(quantile, 1), Float(maximum))
          Self.clip(image, to: bound)
          for index in image.indices { image[index] /= bound }
        }
      }
    }
  }

  /// NaN stays NaN.
  private static func clip(_ values: UnsafeMutableBufferPointer<Float>, to bound: Float) {
    for index in values.indices {
      if values[index] > bound {
        values[index] = bound
      } else if values[index] < -bound {
        values[index] = -bound
      }
    }
  }

  /// Interpolates linearly between neighbouring values.
  static func quantile(_ ratio: Double, of values: [Float]) -> Float {
    let sorted = values.sorted()
    let place = ratio * Double(sorted.count - 1)
    let lower = Int(place)
    let part = Float(place - Double(lower))
    let upper = min(lower + 1, sorted.count - 1)
    return sorted[lower] + part * (sorted[upper] - sorted[lower])
  }
}
