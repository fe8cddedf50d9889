import Kernels

/// Classifier-free guidance (Ho and Salimans, 2022): u + w (c - u) for outputs c with the condition and u without it.
public struct Guidance: Hashable, Sendable {
  /// w; 1 disables guidance.
  public var scale: Double
  /// The noise levels σ/α at which guidance is applied; elsewhere only the conditional output is used (Kynkäänniemi et
  /// al., 2024, equation 5).
  public var interval: ClosedRange<Double>
  /// φ: how far the standard deviation of the guided output is restored to that of the conditional one, to prevent
  /// overexposure (Lin et al., 2024, equations 15 and 16); 0 disables it.
  public var rescale: Double

  public init(scale: Double = 1, interval: ClosedRange<Double> = 0...(.infinity), rescale: Double = 0) {
    self.scale = scale
    self.interval = interval
    self.rescale = rescale
  }

  /// The outputs required from the network.
  func pass(at point: PathPoint) -> GuidancePass {
    scale != 1 && interval.contains(point.noise / point.signal) ? .conditionalAndUnconditional : .conditional
  }

  /// The guided output [n · size].
  ///
  /// - Parameters:
  ///   - outputs: the n conditional outputs, then the n unconditional ones.
  ///   - predicted: whether a value, by its position within its image, belongs to the prediction; other values are
  ///     variances, which are taken from the conditional output.
  func combine(_ outputs: [Float], images: Int, predicted: (Int) -> Bool, threads: ThreadPool) -> [Float] {
    let half = outputs.count / 2
    let size = half / images
    let (scale, rescale) = (Float(scale), rescale)
    var result = Array(outputs[..<half])
    let places = (0..<size).filter(predicted)
    result.withUnsafeMutableBufferPointer { result in
      threads.parallel(images) { image, _ in
        let start = image * size
        for place in places {
          let base = outputs[half + start + place]
          result[start + place] = base + scale * (outputs[start + place] - base)
        }
        guard rescale > 0 else { return }
        let conditional = Self.deviation(places.map { Double(outputs[start + $0]) })
        let guided = Self.deviation(places.map { Double(result[start + $0]) })
        guard guided > 0 else { return }
        let factor = Float(rescale * conditional / guided + (1 - rescale))
        for place in places { result[start + place] *= factor }
      }
    }
    return result
  }

  private static func deviation(_ values: some Collection<Double>) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
  }
}

/// The outputs that an evaluation requires from the network.
public enum GuidancePass: Hashable, Sendable {
  /// [n, ...] with the images' conditions.
  case conditional
  /// [2 n, ...]: the outputs with the images' conditions, followed by those without.
  case conditionalAndUnconditional
}
