import Tensors

/// PyTorch's `Conv2d` on images [B, H, W, C].
public struct Convolution2D: Sendable {
  let weight: Parameter
  private let bias: Parameter?
  private let kernel: Int
  private let stride: Int
  private let padding: Int
  private let endPadding: Int
  private let isStandardized: Bool
  private let precedesBatchNorm: Bool

  /// - Parameters:
  ///   - padding: zeros on each side.
  ///   - endPadding: zeros behind the last row and column, if not as many as before the first.
  ///   - hasBias: whether a bias is added.
  ///   - initialization: of weights and bias, if not PyTorch's default.
  ///   - isStandardized: weight standardisation (article 003's `WeightStandardizedConv2d`).
  ///   - precedesBatchNorm: training's batch normalisation takes out what the bias adds, so its gradient is 0, which
  ///     rounding alone would disturb; it is not computed.
  ///   - fileShape: PyTorch's shape of the weights if it is not [outputs, inputs, kernel, kernel].
  public init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0, endPadding: Int? = nil, hasBias: Bool = true,
    initialization: Parameter.Initialization? = nil,
    isStandardized: Bool = false, precedesBatchNorm: Bool = false, fileShape: [Int]? = nil
  ) {
    // PyTorch's default: Kaiming uniform with a = sqrt(5), which is 1 / sqrt(fan in), for weights and bias alike.
    let bound = 1 / Float(inputs * kernel * kernel).squareRoot()
    weight = builder.weights(
      "weight", fileShape: fileShape ?? [outputs, inputs, kernel, kernel], outputs: outputs, inputs: inputs,
      taps: kernel * kernel, initialization ?? .uniform(bound: bound),
      adaptability: isStandardized ? .beside : .full)
    bias =
      hasBias ? builder.vector("bias", count: outputs, initialization ?? .uniform(bound: bound)) : nil
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.endPadding = endPadding ?? padding
    self.isStandardized = isStandardized
    self.precedesBatchNorm = precedesBatchNorm
  }

  /// - Parameter inputs: images that are read as if they were concatenated along the channels.
  public func callAsFunction(_ inputs: Tensor...) -> Tensor { self(inputs) }

  public func callAsFunction(_ inputs: [Tensor]) -> Tensor {
    let tape = inputs[0].tape
    func convolution(_ inputs: [Tensor], _ weights: Tensor, isOwn: Bool) -> Tensor {
      .convolution(
        inputs, weights: weights,
        bias: isOwn ? bias.map { tape($0, needsGradient: !precedesBatchNorm) } : nil, kernel: kernel,
        stride: stride, padding: padding, endPadding: endPadding,
        standardizesWeights: isOwn && isStandardized)
    }
    switch tape.change(of: weight) {
    case .none: return convolution(inputs, tape(weight), isOwn: true)
    case .sum(let change):
      guard isStandardized else { return convolution(inputs, tape(weight) + change, isOwn: true) }
      return convolution(inputs, tape(weight), isOwn: true) + convolution(inputs, change, isOwn: false)
    case .lowRank(let change):
      let own = convolution(inputs, tape(weight), isOwn: true)
      return convolution(change.seen(inputs), change.down, isOwn: false)
        .linear(weights: change.up, residual: own)
    }
  }
}
