import Layers
import Models
import Randomness
import Tensors

/// The images that a control network is shown while it is trained beside a denoiser that stays as it is.
public struct ControlConditioning: Sendable {
  let network: any ControlNetwork
  /// Of the denoiser.
  let weights: ParameterBuffer
  /// The dataset's field of the images, which batches hold as numbers from 0 to 1: [s H, s W, C], s the network's scale.
  private let field: String
  /// How often training shows nothing, zeros, so that the network learns to do without.
  private let dropout: Double

  /// - Parameter weights: of the denoiser.
  public init(_ network: any ControlNetwork, weights: ParameterBuffer, field: String, dropout: Double) {
    precondition((0...1).contains(dropout), "conditions dropped at \(dropout)")
    self.network = network
    self.weights = weights
    self.field = field
    self.dropout = dropout
  }

  /// Which of a batch's samples are shown what controls them, by (seed, step, sample).
  ///
  /// - Parameter samples: their positions in the step's batch, over all ranks.
  package func shown(seed: UInt64, step: Int, samples: Range<Int>) -> [Bool] {
    samples.map { sample in
      let stream = RandomStream(seed: seed, purpose: .conditionDrop, step: step, sample: sample)
      return Double(stream.bits() >> 11) * 0x1p-53 >= dropout
    }
  }

  /// What the network adds to the denoiser of noisy images [B, H, W, C] that is told `conditioning`.
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
