import Layers
import Tensors

/// diffusers' `ResnetBlock2D`: normalisation, activation and convolution, twice, with the timestep embedding in between
/// and a residual connection (He et al., 2016; Ho et al., 2020).
public struct ResnetBlock2D: Sendable {
  /// Settings shared by the blocks of one network.
  public struct Style: Sendable {
    /// Width of the timestep embedding; nil if there is none.
    public var embeddingWidth: Int?
    public var groups: Int
    public var epsilon: Float
    public var activation: BlockActivation
    /// Whether the embedding scales and shifts the second normalisation (`scale_shift`) or is added before it
    /// (`default`).
    public var scalesAndShifts: Bool
    /// Divisor of the sum with the shortcut.
    public var outputScale: Float
    /// How the borders are padded.
    public var paddingMode: PaddingMode
    /// The probability with which training drops an input of the second convolution.
    public var dropout: Float

    public init(
      embeddingWidth: Int?, groups: Int, epsilon: Float, activation: BlockActivation = .silu,
      scalesAndShifts: Bool = false, outputScale: Float = 1, paddingMode: PaddingMode = .zeros,
      dropout: Float = 0
    ) {
      self.embeddingWidth = embeddingWidth
      self.groups = groups
      self.epsilon = epsilon
      self.activation = activation
      self.scalesAndShifts = scalesAndShifts
      self.outputScale = outputScale
      self.paddingMode = paddingMode
      self.dropout = dropout
    }
  }

  /// Resampling before the first convolution.
  public enum Sides: Hashable, Sendable {
    case kept
    /// 2x2 average pooling.
    case halved
    /// Nearest-neighbour upsampling by 2.
    case doubled

    func callAsFunction(_ x: Tensor) -> Tensor {
      switch self {
      case .kept: x
      case .halved: x.averagePooled()
      case .doubled: x.upsampledToNearest()
      }
    }
  }

  private let style: Style
  private let sides: Sides
  private let norm1: GroupNorm
  private let convolution1: Convolution2D
  private let embedding: Linear?
  private let norm2: GroupNorm
  private let convolution2: Convolution2D
  private let shortcut: Convolution2D?

  /// From `inputs` channels in total to `outputs`.
  public init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, sides: Sides = .kept, _ style: Style
  ) {
    self.style = style
    self.sides = sides
    norm1 = GroupNorm(builder["norm1"], groups: style.groups, channels: inputs, epsilon: style.epsilon)
    convolution1 = Convolution2D(
      builder["conv1"], inputs, outputs, kernel: 3, padding: 1, paddingMode: style.paddingMode)
    embedding = style.embeddingWidth.map {
      Linear(builder["time_emb_proj"], $0, style.scalesAndShifts ? 2 * outputs : outputs)
    }
    norm2 = GroupNorm(builder["norm2"], groups: style.groups, channels: outputs, epsilon: style.epsilon)
    convolution2 = Convolution2D(
      builder["conv2"], outputs, outputs, kernel: 3, padding: 1, paddingMode: style.paddingMode)
    shortcut =
      inputs == outputs ? nil : Convolution2D(builder["conv_shortcut"], inputs, outputs, kernel: 1)
  }

  /// - Parameters:
  ///   - inputs: [B, H, W, C] each, concatenated along the channels.
  ///   - activated: the timestep embedding after its activation, [B, D].
  /// - Returns: [B, H, W, outputs], resampled according to `sides`.
  public func callAsFunction(_ inputs: [Tensor], activated: Tensor? = nil) -> Tensor {
    inputs[0].tape.checkpointed {
      let x = inputs.count == 1 ? inputs[0] : .concatenated(inputs, axis: 3)
      var h = convolution1(sides(style.activation(norm1, x)))
      if let embedding, let activated {
        let v = embedding(activated)
        if style.scalesAndShifts {
          h = style.activation(norm2, h, scaleShift: v)
        } else {
          h = style.activation(norm2, h.adding(v, from: 0))
        }
      } else {
        h = style.activation(norm2, h)
      }
      // The shortcut's convolution reads several inputs without concatenating them.
      h = convolution2.dropping(style.dropout, of: h)
      let sum = convolution2(h) + (shortcut.map { $0(sides == .kept ? inputs : [sides(x)]) } ?? sides(x))
      return style.outputScale == 1 ? sum : sum.scaled(by: 1 / style.outputScale)
    }
  }
}
