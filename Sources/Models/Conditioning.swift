import Tensors

/// The conditions of a batch of B samples, apart from their timesteps. A missing part is no condition; a model ignores
/// parts that it does not use.
public struct Conditioning {
  /// The class of each sample; nil for an unlabelled one.
  public var classes: [Int?]
  /// Embedded text or other tokens, [B, L, D], for cross-attention.
  public var context: Tensor?
  /// Number of valid leading tokens of each sample's context; nil if all L are valid.
  public var contextLengths: [Int]?
  /// An image that is concatenated to the input along the channels, [B, H, W, C].
  public var image: Tensor?
  /// Residuals that a control network adds to the skip connections and to the middle block of a U-Net.
  public var control: ControlResiduals?

  /// Residuals of a control network (Zhang et al., 2023), [B, H', W', C'] each.
  public struct ControlResiduals {
    /// In the order in which the encoder produces the skip connections.
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
