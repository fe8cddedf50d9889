/// The keys of `model` for `kind: annotated-unet`, as the article's `Unet` takes them.
public struct AnnotatedUNetSettings: Hashable, Sendable {
  /// Channels at full resolution.
  public var dim: Int
  /// Channels of each resolution as multiples of `dim`; each further one halves height and width.
  public var dimMultiples: [Int]
  public var channels: Int
  public var outputChannels: Int
  /// Groups of the normalisation after each convolution.
  public var groups: Int
  /// Twice the channels go in: the article's self-conditioning, which it leaves at zero.
  public var isSelfConditioned: Bool

  public init(
    dim: Int, dimMultiples: [Int] = [1, 2, 4, 8], channels: Int = 3, outputChannels: Int? = nil, groups: Int = 4,
    isSelfConditioned: Bool = false
  ) {
    self.dim = dim
    self.dimMultiples = dimMultiples
    self.channels = channels
    self.outputChannels = outputChannels ?? channels
    self.groups = groups
    self.isSelfConditioned = isSelfConditioned
  }
}
