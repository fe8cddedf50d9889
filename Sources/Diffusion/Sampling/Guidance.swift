import Kernels

/// Classifier-free guidance (Ho and Salimans, 2022): u + w (c - u) of the outputs with condition c and without u.
public struct Guidance: Hashable, Sendable {
  /// w; 1: the condition alone.
  public var scale: Double
  /// The noise levels σ/α at which there is guidance; elsewhere the condition alone counts (Kynkäänniemi et al., 2024,
  /// equation 5).
  public var interval: ClosedRange<Double>
  /// φ: how far the deviation of the guided output is set back to that of the conditional one, against overexposure
  /// (Lin et al., 2024, equations 15 and 16); 0: not at all.
  public var rescale: Double

  public init(scale: Double = 1, interval: ClosedRange<Double> = 0...(.infinity), rescale: Double = 0) {
    self.scale = scale
    self.interval = interval
    self.rescale = rescale
  }

  /// The outputs that a network has to give.
  func pass(at point: PathPoint) -> GuidancePass {
    scale != 1 && interval.contains(point.noise / point.signal) ? .conditionalAndUnconditional : .conditional
  }

  /// The guided output [n · size].
  ///
  /// - Parameters:
  ///   - outputs: the n conditional ones, then the n unconditional ones.
  ///   - predicted: whether a value's place within its image belongs to the prediction; the others, which are
  ///     variances, stay the conditional ones.
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

/// Which outputs an evaluation asks a network for.
public enum GuidancePass: Hashable, Sendable {
  /// [n, ...] under the images' conditions.
  case conditional
  /// [2 n, ...]: the same, then those without conditions.
  case conditionalAndUnconditional
}
