/// The attention that follows the residual blocks of a stage.
enum StageAttention: Sendable {
  /// Self-attention between pixels.
  ///
  /// - headWidth: channels per head.
  /// - groups: groups of the preceding normalisation; nil disables it.
  case spatial(headWidth: Int, groups: Int?)
  /// Transformer blocks with self-attention between pixels and attention to a context.
  case transformer(depth: Int, Transformer2D.Style)
}
