import Tensors

/// What a denoiser is told about a batch of B samples beside their timesteps. A part that is missing is no condition;
/// a model ignores the parts that it has no use for.
public struct Conditioning {
  /// The class of each sample; nil for a sample of no class.
  public var classes: [Int?]
  /// Embedded text or other tokens, [B, L, D], for cross-attention.
  public var context: Tensor?
  /// How many tokens of each sample's context count, from the first; nil: all L.
  public var contextLengths: [Int]?
  /// An image that is concatenated to the input along the channels, [B, H, W, C].
  public var image: Tensor?
  /// What a control network adds to the skip connections and to the middle block of a U-Net.
  public var control: ControlResiduals?

  /// Residuals of a control network (Zhang et al., 2023), [B, H', W', C'] each.
  public struct ControlResiduals {
    /// In the order in which the encoder makes the skip connections.
    public var skips: [Tensor]
    public var middle: Tensor

    public init(skips: [Tensor], middle: Tensor) {
      self.skips = skips
      self.middle = middle
    }
  }

  public init(
    classes: [Int?], context: Tensor? = nil, contextLengths: [Int]? = nil, image: Tensor? = nil,
    control: ControlResiduals? = nil
  ) {
    self.classes = classes
    self.context = context
    self.contextLengths = contextLengths
    self.image = image
    self.control = control
  }

  /// No condition, for `batch` samples.
  public static func none(batch: Int) -> Conditioning {
    Conditioning(classes: [Int?](repeating: nil, count: batch))
  }
}
