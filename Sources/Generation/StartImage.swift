import Diffusion

/// An image from which sampling starts instead of pure noise: image-to-image, or inpainting with a mask.
public struct StartImage: Sendable {
  /// The fraction of the steps that are run, in (0, 1].
  public let strength: Double
  /// [H, W, C] in the model's space.
  private let values: [Float]
  /// 0 where the image is kept, 1 where it is redrawn, [H, W, C].
  private let mask: [Float]?

  /// - Parameters:
  ///   - values: the image in the model's space: its values or its latents [H, W, C].
  ///   - mask: [H, W] of the same size, 0 where the image is kept and 1 where it is redrawn.
  public init(_ values: [Float], channels: Int, strength: Double, mask: [Float]? = nil) {
    precondition(strength > 0 && strength <= 1, "a strength of \(strength)")
    precondition(
      mask.map { $0.count * channels == values.count } ?? true,
      "a mask of \(mask?.count ?? 0) pixels for \(values.count) values of \(channels) channels")
    self.values = values
    self.strength = strength
    self.mask = mask?.flatMap { [Float](repeating: $0, count: channels) }
  }

  /// The starting point of `count` images.
  ///
  /// - Parameter noise: of unit variance, replaces random noise.
  func start(_ count: Int, noise: [Float]?) -> SamplingStart {
    func repeated(_ values: [Float]) -> [Float] { (0..<count).flatMap { _ in values } }
    return .image(repeated(values), strength: strength, mask: mask.map(repeated), noise: noise)
  }
}
