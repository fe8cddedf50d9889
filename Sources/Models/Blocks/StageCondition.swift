import Tensors

/// What the stages of a network are told about the samples.
struct StageCondition {
  /// The embedding of the timestep after its activation, [B, D]; nil for a network without timesteps.
  var activated: Tensor?
  /// nil for a network that attends to none.
  var context: TokenContext?

  static var none: StageCondition { StageCondition() }
}
