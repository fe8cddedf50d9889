import Tensors

/// What the stages of a network are conditioned on.
struct StageCondition {
  /// The timestep embedding after its activation, [B, D]; nil for a network without timesteps.
  var activated: Tensor?
  /// nil for a network without cross-attention.
  var context: TokenContext?

  static var none: StageCondition { StageCondition() }
}
