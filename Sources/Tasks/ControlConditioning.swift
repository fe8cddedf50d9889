import Layers
import Models
import Randomness
import Tensors

/// The images that a control network sees while it is trained for a frozen denoiser.
public struct ControlConditioning: Sendable {
  let network: any ControlNetwork
  /// The denoiser's weights.
  let weights: ParameterBuffer
  /// The dataset's field of the images, held in batches as values from 0 to 1: [s H, s W, C], with s the network's
  /// scale.
  private let field: String
  /// Probability with which training replaces the condition with zeros, so that the network also learns to work without
  /// it.
  private let dropout: Double

  /// - Parameter weights: the denoiser's weights.
  public init(_ network: any ControlNetwork, weights: ParameterBuffer, field: String, dropout: Double) {
    precondition((0...1).contains(dropout), "conditions dropped at \(dropout)")
    self.network = network
    self.weights = weights
    self.field = field
    self.dropout = dropout
  }

  /// Which of a batch's samples keep their condition, by (seed, step, sample).
  ///
  /// - Parameter samples: positions of the samples in the step's batch, over all ranks.
  package func shown(seed: UInt64, step: Int, samples: Range<Int>) -> [Bool] {
    samples.map { sample in
      let stream = RandomStream(seed: seed, purpose: .conditionDrop, step: step, sample: sample)
      return Double(stream.bits() >> 11) * 0x1p-53 >= dropout
    }
  }

  /// The residuals that the network adds to the denoiser, for noisy images [B, H, W, C] with `conditioning`.
  func residuals(
    of input: TaskInput, seed: UInt64, _ noisy: Tensor, timesteps: [Float], _ conditioning: Conditioning
  ) -> Conditioning.ControlResiduals {
    guard let values = input.batch[field]?.floats else { preconditionFailure("a batch without \(field)") }
    let scale = network.conditionScale
    let shape = [scale * noisy.shape[1], scale * noisy.shape[2], network.conditionChannels]
    let size = shape.reduce(1, *)
    let isShown =
      input.use == .training
      ? shown(seed: seed, step: input.step, samples: input.samples)
      : [Bool](repeating: true, count: input.samples.count)
    let condition = noisy.tape.zeros([isShown.count] + shape)
    for (index, place) in input.places.enumerated() where isShown[index] {
      let own = UnsafeMutableBufferPointer(rebasing: condition.elements[index * size..<(index + 1) * size])
      _ = own.update(fromContentsOf: values[place * size..<(place + 1) * size])
    }
    return network(noisy, timesteps: timesteps, condition: condition, conditioning: conditioning)
  }
}
