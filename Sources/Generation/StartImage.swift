import Diffusion

/// An image that images are drawn from, in place of noise alone: image to image, or with a mask inpainting.
public struct StartImage: Sendable {
  /// The part of the steps that it goes through with noise, in (0, 1].
  public let strength: Double
  /// [H, W, C] of what the model draws.
  private let values: [Float]
  /// 0 where the image is kept, 1 where it is drawn anew, [H, W, C].
  private let mask: [Float]?

  /// - Parameters:
  ///   - values: what the model draws of the image: its values or its latents [H, W, C].
  ///   - mask: [H, W] of the same size, 0 where the image is kept and 1 where it is drawn anew.
  public init(_ values: [Float], channels: Int, strength: Double, mask: [Float]? = nil) {
    precondition(strength > 0 && strength <= 1, "a strength of \(strength)")
    precondition(
      mask.map { $0.count * channels == values.count } ?? true,
      "a mask of \(mask?.count ?? 0) pixels for \(values.count) values of \(channels) channels")
    self.values = values
    self.strength = strength
    self.mask = mask?.flatMap { [Float](repeating: $0, count: channels) }
  }

  /// What `count` images begin from.
  ///
  /// - Parameter noise: of unit variance, in place of what is drawn.
  func start(_ count: Int, noise: [Float]?) -> SamplingStart {
    func repeated(_ values: [Float]) -> [Float] { (0..<count).flatMap { _ in values } }
    return .image(repeated(values), strength: strength, mask: mask.map(repeated), noise: noise)
  }
}
