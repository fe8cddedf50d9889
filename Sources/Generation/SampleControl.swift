import Models
import Tensors

/// A network that controls what is drawn, by images: several at once, each as strongly as one likes.
public struct SampleControl: Sendable {
  /// What the network sees.
  public struct Condition: Sendable {
    /// [s H, s W, C] each, from 0 to 1, s the network's scale; images take turns.
    let images: [[Float]]
    let strength: Float

    /// - Parameters:
    ///   - images: [s H, s W, C] each, from 0 to 1: drawn image i sees number i, beginning anew behind the last.
    ///   - strength: what the residuals are multiplied by.
    public init(_ images: [[Float]], strength: Float = 1) {
      precondition(!images.isEmpty, "a condition without images")
      self.images = images
      self.strength = strength
    }
  }

  private let network: any ControlNetwork
  private let weights: ParameterBuffer
  private let conditions: [Condition]

  /// - Parameter conditions: what the network makes of each is added up.
  public init(_ network: any ControlNetwork, weights: ParameterBuffer, _ conditions: [Condition]) {
    precondition(!conditions.isEmpty, "a control network that sees nothing")
    self.network = network
    self.weights = weights
    self.conditions = conditions
  }

  /// The set that a tape binds beside the denoiser's.
  var bound: BoundParameters { BoundParameters(network.parameters.set, weights: weights) }

  /// What the network adds to a denoiser of noisy images number `samples` [n, H, W, C] that is told `conditioning`.
  func residuals(
    _ noisy: Tensor, timesteps: [Float], _ conditioning: Conditioning, samples: Range<Int>
  ) -> Conditioning.ControlResiduals {
    let scale = network.conditionScale
    let shape = [scale * noisy.shape[1], scale * noisy.shape[2], network.conditionChannels]
    let size = shape.reduce(1, *)
    let parts = conditions.map { condition in
      let image = noisy.tape.input([samples.count] + shape)
      for (place, sample) in samples.enumerated() {
        let values = condition.images[sample % condition.images.count]
        precondition(values.count == size, "an image of \(values.count) values for \(shape)")
        let own = UnsafeMutableBufferPointer(rebasing: image.elements[place * size..<(place + 1) * size])
        _ = own.update(fromContentsOf: values)
      }
      return network(noisy, timesteps: timesteps, condition: image, conditioning: conditioning)
        .scaled(by: condition.strength)
    }
    return .sum(parts)
  }
}

extension Conditioning.ControlResiduals {
  func scaled(by factor: Float) -> Self {
    guard factor != 1 else { return self }
    return Self(skips: skips.map { $0.scaled(by: factor) }, middle: middle.scaled(by: factor))
  }

  /// What several networks add together: in their order.
  static func sum(_ parts: [Self]) -> Self {
    parts.dropFirst().reduce(parts[0]) { sum, part in
      Self(skips: zip(sum.skips, part.skips).map { $0 + $1 }, middle: sum.middle + part.middle)
    }
  }
}
