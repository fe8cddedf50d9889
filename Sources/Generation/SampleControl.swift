import Models
import Tensors

/// A network that controls sampling by images: any number of them, each with its own strength.
public struct SampleControl: Sendable {
  /// An input of the network.
  public struct Condition: Sendable {
    /// [s H, s W, C] each, from 0 to 1, with s the network's scale; used cyclically.
    let images: [[Float]]
    let strength: Float

    /// - Parameters:
    ///   - images: [s H, s W, C] each, from 0 to 1; sample i uses number i, cyclically.
    ///   - strength: the factor of the residuals.
    public init(_ images: [[Float]], strength: Float = 1) {
      precondition(!images.isEmpty, "a condition without images")
      self.images = images
      self.strength = strength
    }
  }

  private let network: any ControlNetwork
  private let weights: ParameterBuffer
  private let conditions: [Condition]

  /// - Parameter conditions: the network's residuals for each are summed.
  public init(_ network: any ControlNetwork, weights: ParameterBuffer, _ conditions: [Condition]) {
    precondition(!conditions.isEmpty, "a control network that sees nothing")
    self.network = network
    self.weights = weights
    self.conditions = conditions
  }

  /// The parameters that a tape binds in addition to the denoiser's.
  var bound: BoundParameters { BoundParameters(network.parameters.set, weights: weights) }

  /// The residuals that the network adds to a denoiser with the given conditioning, for noisy images numbered `samples`
  /// [n, H, W, C].
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

  /// The sum of the residuals of several networks, in their order.
  static func sum(_ parts: [Self]) -> Self {
    parts.dropFirst().reduce(parts[0]) { sum, part in
      Self(skips: zip(sum.skips, part.skips).map { $0 + $1 }, middle: sum.middle + part.middle)
    }
  }
}
