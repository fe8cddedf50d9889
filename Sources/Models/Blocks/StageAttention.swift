/// The attention that follows the residual blocks of a stage.
enum StageAttention: Sendable {
  /// Of the pixels to each other.
  ///
  /// - headWidth: channels of a head.
  /// - groups: of the normalisation before it; nil: there is none.
  case spatial(headWidth: Int, groups: Int?)
  /// Of the pixels to each other and to a context, in so many blocks.
  case transformer(depth: Int, Transformer2D.Style)
}
