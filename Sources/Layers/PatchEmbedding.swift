import Tensors

/// Divides images [B, H, W, C] into non-overlapping square patches and maps each linearly to a vector: timm's
/// `PatchEmbed`.
public struct PatchEmbedding: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let side: Int

  /// - Parameter side: the side of a patch in pixels.
  public init(_ builder: ParameterBuilder, channels: Int, width: Int, side: Int) {
    let inputs = channels * side * side
    // Xavier uniform for a linear map of a whole patch.
    weight = builder.weights(
      "weight", fileShape: [width, channels, side, side], outputs: width, inputs: channels, taps: side * side,
      .uniform(bound: (6 / Float(inputs + width)).squareRoot()), adaptability: .merged)
    bias = builder.vector("bias", count: width, .zeros)
    self.side = side
  }

  /// -> [B, H / side, W / side, width].
  public func callAsFunction(_ images: Tensor) -> Tensor {
    .convolution(
      [images], weights: images.tape.adapted(weight), bias: images.tape(bias), kernel: side, stride: side)
  }
}
