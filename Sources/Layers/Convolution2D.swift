import Tensors

/// PyTorch's `Conv2d` on images [B, H, W, C].
public struct Convolution2D: Sendable {
  let weight: Parameter
  private let bias: Parameter?
  private let kernel: Int
  private let stride: Int
  private let padding: Int
  private let endPadding: Int
  /// The rows and columns that are padded periodically first, in place of the convolution's own padding; nil for none.
  private let periodicPadding: (before: Int, behind: Int)?
  private let isStandardized: Bool
  private let precedesBatchNorm: Bool

  /// - Parameters:
  ///   - padding: the number of zeros on each side.
  ///   - endPadding: the number of zeros after the last row and column, if it differs from `padding`.
  ///   - paddingMode: how the borders are padded.
  ///   - hasBias: whether a bias is added.
  ///   - initialization: the initialisation of weights and bias, if not PyTorch's default.
  ///   - biasInitialization: the initialisation of the bias, if it differs from the weights'.
  ///   - isStandardized: whether weights are standardised (`WeightStandardizedConv2d` of "The Annotated Diffusion
  ///     Model").
  ///   - precedesBatchNorm: whether a batch normalisation follows. In training it cancels the bias, whose gradient
  ///     would be 0 but for rounding and is not computed.
  ///   - fileShape: PyTorch's shape of the weights if it is not [outputs, inputs, kernel, kernel].
  public init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0, endPadding: Int? = nil, paddingMode: PaddingMode = .zeros, hasBias: Bool = true,
    initialization: Parameter.Initialization? = nil, biasInitialization: Parameter.Initialization? = nil,
    isStandardized: Bool = false, precedesBatchNorm: Bool = false, fileShape: [Int]? = nil
  ) {
    // PyTorch's default: Kaiming uniform with a = sqrt(5), whose bound is 1 / sqrt(fan in), for weights and bias alike.
    let bound = 1 / Float(inputs * kernel * kernel).squareRoot()
    weight = builder.weights(
      "weight", fileShape: fileShape ?? [outputs, inputs, kernel, kernel], outputs: outputs, inputs: inputs,
      taps: kernel * kernel, initialization ?? .uniform(bound: bound),
      adaptability: isStandardized ? .beside : .full)
    bias =
      hasBias
      ? builder.vector(
        "bias", count: outputs, biasInitialization ?? initialization ?? .uniform(bound: bound)) : nil
    self.kernel = kernel
    self.stride = stride
    let behind = endPadding ?? padding
    let isPeriodic = paddingMode == .periodic && padding + behind > 0
    periodicPadding = isPeriodic ? (padding, behind) : nil
    self.padding = isPeriodic ? 0 : padding
    self.endPadding = isPeriodic ? 0 : behind
    self.isStandardized = isStandardized
    self.precedesBatchNorm = precedesBatchNorm
  }

  private func periodic(_ images: Tensor) -> Tensor {
    periodicPadding.map { images.paddedPeriodically(before: $0.before, behind: $0.behind) } ?? images
  }

  /// - Parameter inputs: images, treated as if concatenated along the channels.
  public func callAsFunction(_ inputs: Tensor...) -> Tensor { self(inputs) }

  public func callAsFunction(_ inputs: [Tensor]) -> Tensor {
    let tape = inputs[0].tape
    func convolution(_ inputs: [Tensor], _ weights: Tensor, isOwn: Bool) -> Tensor {
      .convolution(
        inputs.map(periodic), weights: weights,
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

  /// The norm of the weights' gradient, given a gradient of the output; used to balance losses against each other.
  ///
  /// - Parameter outputGradient: [B, P, Q, K].
  public func weightGradientLength(_ input: Tensor, outputGradient: Storage) -> Double {
    periodic(input).convolutionWeightGradientLength(
      outputs: weight.outputs, outputGradient: outputGradient, kernel: kernel, stride: stride,
      padding: padding, endPadding: endPadding)
  }
}
