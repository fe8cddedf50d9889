import Models
import Tensors

/// What each image is drawn of.
public struct SampleConditions: Sendable {
  public let classes: SampleClasses
  /// nil for models that attend to no text.
  public let prompts: SamplePrompts?

  public init(classes: SampleClasses = SampleClasses(), prompts: SamplePrompts? = nil) {
    self.classes = classes
    self.prompts = prompts
  }

  /// Throws unless `model` can draw what is asked for.
  ///
  /// - Parameter guidance: the scale of classifier-free guidance, 1 for none.
  public func check(_ model: any Denoiser, guidance: Double) throws {
    guard let prompts else {
      try model.requireNoContext()
      return try classes.check(model, guidance: guidance)
    }
    guard let width = model.contextWidth else {
      throw ModelError("the model attends to no text: leave --prompt away")
    }
    precondition(prompts.shape[1] == width, "a context of \(prompts.shape) for \(width) numbers a token")
    // Without a class and with the negative prompt there is always something to guide away from.
    try classes.check(model, guidance: model.classes == nil ? 1 : guidance)
  }

  /// What the model is told of images number `samples`.
  func conditioning(_ model: any Denoiser, _ samples: Range<Int>, on tape: Tape) -> Conditioning {
    var conditioning = Conditioning.none(batch: samples.count)
    if let known = model.classes { conditioning.classes = samples.map { classes.label($0, of: known) } }
    conditioning.context = prompts?.context(of: samples, on: tape)
    return conditioning
  }

  /// What it is told in the pass that guidance leads away from.
  func unconditional(_ count: Int, on tape: Tape) -> Conditioning {
    var conditioning = Conditioning.none(batch: count)
    conditioning.context = prompts?.negativeContext(count, on: tape)
    return conditioning
  }
}
