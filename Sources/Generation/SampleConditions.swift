import Models
import Tensors

/// What each image is drawn of.
public struct SampleConditions: Sendable {
  public let classes: SampleClasses
  /// nil for models that attend to no text.
  public let prompts: SamplePrompts?

  /// nil for models that see no fields.
  public let fields: SampleFields?

  public init(
    classes: SampleClasses = SampleClasses(), prompts: SamplePrompts? = nil, fields: SampleFields? = nil
  ) {
    self.classes = classes
    self.prompts = prompts
    self.fields = fields
  }

  /// Throws unless `model` can draw what is asked for.
  ///
  /// - Parameter guidance: the scale of classifier-free guidance, 1 for none.
  public func check(_ model: any Denoiser, guidance: Double) throws {
    if let fields {
      guard model.conditionChannels > 0 else {
        throw ModelError("the model sees no fields: leave --conditions away")
      }
      precondition(
        fields.shape[2] == model.conditionChannels,
        "fields of \(fields.shape) for \(model.conditionChannels) channels")
      // Without fields there is always something to guide away from, if that was trained.
      if model.classes == nil, prompts == nil, guidance != 1 {
        guard fields.canBeLeftOut else {
          throw ModelError(
            "sampling.guidance \(guidance) needs a model that was also trained without its fields "
              + "(conditioning.field_dropout)")
        }
        try model.requireNoContext()
        return try classes.check(model, guidance: 1)
      }
    } else {
      try model.requireNoFields()
    }
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
    conditioning.image = fields?.image(of: samples, on: tape)
    return conditioning
  }

  /// What it is told in the pass that guidance leads away from.
  func unconditional(_ samples: Range<Int>, on tape: Tape) -> Conditioning {
    var conditioning = Conditioning.none(batch: samples.count)
    conditioning.context = prompts?.negativeContext(samples.count, on: tape)
    // Where a class or a text leads, the fields count in both passes.
    if let fields, !fields.canBeLeftOut { conditioning.image = fields.image(of: samples, on: tape) }
    return conditioning
  }
}
