import Datasets
import Randomness
import Tensors

/// Dataset fields as channels that a denoiser sees in addition to the noisy image.
public struct FieldConditioning: Sendable {
  private let planes: FieldPlanes
  /// Probability with which training replaces them with zeros, so that the model also learns the unconditional
  /// prediction for classifier-free guidance (Ho and Salimans, 2022).
  private let dropout: Double

  public init(_ planes: FieldPlanes, dropout: Double) {
    precondition((0...1).contains(dropout), "fields dropped at \(dropout)")
    self.planes = planes
    self.dropout = dropout
  }

  /// The fields of a micro-batch as model input, [B, H, W, C]: zeros for samples whose fields are dropped, by (seed,
  /// step, sample).
  func image(of input: TaskInput, seed: UInt64, on tape: Tape) -> Tensor {
    let image = tape.zeros([input.samples.count] + planes.shape)
    let size = image.count / input.samples.count
    let all = planes.fields.map { field -> [Float] in
      guard let values = input.batch[field.name]?.floats else {
        preconditionFailure("a batch without \(field.name)")
      }
      return values
    }
    for (place, (source, sample)) in zip(input.places, input.samples).enumerated() {
      if input.use == .training, isDropped(sample, of: input.step, seed: seed) { continue }
      planes.fill(
        UnsafeMutableBufferPointer(rebasing: image.elements[place * size..<(place + 1) * size]), with: all,
        of: source)
    }
    return image
  }

  private func isDropped(_ sample: Int, of step: Int, seed: UInt64) -> Bool {
    guard dropout > 0 else { return false }
    let stream = RandomStream(seed: seed, purpose: .fieldDrop, step: step, sample: sample)
    return Double(stream.bits() >> 11) * 0x1p-53 < dropout
  }
}
