import Kernels
import Models
import Tensors

/// A discriminator trained alongside an autoencoder, which learns to make reconstructions that it takes for images (Esser et
/// al., 2021, "Taming Transformers for High-Resolution Image Synthesis", section 3.1; Rombach et al., 2022, section G).
///
/// With D(x) the discriminator's outputs for the patches of x, its loss is the hinge 1/2 (mean max(0, 1 - D(x)) + mean
/// max(0, 1 + D(x̂))). The autoencoder's loss gains the term -w λ mean D(x̂), where λ = |∇ distance| /
/// (|∇ mean D(x̂)| + 10^-4), at most 10^4, with gradients with respect to the decoder's last weights. Both networks see
/// the same reconstructions and are updated together.
///
/// λ is computed per micro-batch, as the published programs compute it per process.
public struct Adversary: Sendable {
  public let discriminator: PatchDiscriminator
  /// Number of steps before the discriminator's first.
  public let start: Int
  /// w.
  public let weight: Double

  public init(_ discriminator: PatchDiscriminator, start: Int, weight: Double) {
    self.discriminator = discriminator
    self.start = start
    self.weight = weight
  }

  private static let lengthFloor = 1e-4
  private static let largestFactor = 1e4

  /// The losses of a micro-batch.
  struct Losses {
    /// The autoencoder's loss: the distance plus the discriminator's term. A scalar.
    let autoencoder: Loss
    /// The discriminator's own loss. A scalar.
    let discriminator: Tensor
    let distance: Double
    /// -mean D(x̂).
    let generator: Double
    /// w λ.
    let factor: Double
  }

  /// - Parameters:
  ///   - features: input of the last convolution.
  ///   - reconstructions: its output, [B, H, W, C].
  ///   - distance: distance of reconstructions from images, a scalar.
  func losses(
    of reconstructions: Tensor, from images: Tensor, features: Tensor, in model: AutoencoderKL,
    distance: (_ reconstructions: Tensor, _ images: Tensor) -> Tensor
  ) -> Losses {
    let tape = reconstructions.tape
    let own = discriminatorLoss(images: images, reconstructions: reconstructions.copied(to: tape))
    let engine = tape.engine
    let near = Self.slope(at: reconstructions) { distance($0, images.copied(to: $0.tape)) }
    let fooled = Self.slope(at: reconstructions) { discriminator($0).mean().scaled(by: -1) }
    let ratio =
      model.lastGradientLength(features, imageGradient: near.gradient)
      / (model.lastGradientLength(features, imageGradient: fooled.gradient) + Self.lengthFloor)
    // NaN stays NaN: the step is skipped.
    let factor = weight * (ratio > Self.largestFactor ? Self.largestFactor : ratio)
    let gradient = engine.storage(reconstructions.count)
    Elementwise.scale(
      fooled.gradient.pointer, by: Float(factor), output: gradient.pointer, count: gradient.count,
      pool: engine.threads)
    Elementwise.add(
      near.gradient.pointer, gradient.pointer, output: gradient.pointer, count: gradient.count,
      pool: engine.threads)
    return Losses(
      autoencoder: reconstructions.loss(value: near.value + factor * fooled.value, gradient: gradient),
      discriminator: own, distance: near.value, generator: fooled.value, factor: factor)
  }

  private func discriminatorLoss(images: Tensor, reconstructions: Tensor) -> Tensor {
    let missed = discriminator(images).scaled(by: -1, adding: 1).relu().mean()
    let mistaken = discriminator(reconstructions).scaled(by: 1, adding: 1).relu().mean()
    return (missed + mistaken).scaled(by: 0.5)
  }

  /// The value of a function of images and its gradient with respect to them alone.
  private static func slope(
    at images: Tensor, _ function: (Tensor) -> Tensor
  ) -> (value: Double, gradient: Storage) {
    let tape = images.tape.withoutGradients
    let point = tape.variable(images.shape)
    _ = point.elements.update(fromContentsOf: images.elements)
    let value = function(point)
    tape.backward(from: Loss(value)) { _ in }
    guard let gradient = tape.gradient(of: point) else {
      preconditionFailure("a loss that does not depend on the images \(images.shape)")
    }
    return (Double(value.elements[0]), gradient)
  }
}

extension Tensor {
  /// The same values as an input of a tape.
  fileprivate func copied(to tape: Tape) -> Tensor {
    let copy = tape.input(shape)
    _ = copy.elements.update(fromContentsOf: elements)
    return copy
  }
}
