import Models
import Tensors

/// The conditions of each image.
public struct SampleConditions: Sendable {
  public let classes: SampleClasses
  /// nil for models without text conditioning.
  public let prompts: SamplePrompts?

  /// nil for models without field conditioning.
  public let fields: SampleFields?

  public init(
    classes: SampleClasses = SampleClasses(), prompts: SamplePrompts? = nil, fields: SampleFields? = nil
  ) {
    self.classes = classes
    self.prompts = prompts
    self.fields = fields
  }

  /// Throws unless `model` supports the requested conditions.
  ///
  /// - Parameter guidance: the scale of classifier-free guidance; 1 disables it.
  public func check(_ model: any Denoiser, guidance: Double) throws {
    if let fields {
      guard model.conditionChannels > 0 else {
        throw ModelError("the model sees no fields: leave --conditions away")
      }
      precondition(
        fields.shape[2] == model.conditionChannels,
        "fields of \(fields.shape) for \(model.conditionChannels) channels")
      // Sampling without fields gives guidance an unconditional output, provided that it was trained.
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
    // Sampling without a class and with the negative prompt always gives guidance an unconditional output.
    try classes.check(model, guidance: model.classes == nil ? 1 : guidance)
  }

  /// The conditioning of the images numbered `samples`.
  func conditioning(_ model: any Denoiser, _ samples: Range<Int>, on tape: Tape) -> Conditioning {
    var conditioning = Conditioning.none(batch: samples.count)
    if let known = model.classes { conditioning.classes = samples.map { classes.label($0, of: known) } }
    conditioning.context = prompts?.context(of: samples, on: tape)
    conditioning.image = fields?.image(of: samples, on: tape)
    return conditioning
  }

  /// The conditioning of guidance's unconditional pass.
  func unconditional(_ samples: Range<Int>, on tape: Tape) -> Conditioning {
    var conditioning = Conditioning.none(batch: samples.count)
    conditioning.context = prompts?.negativeContext(samples.count, on: tape)
    // Where guidance uses a class or a text, both passes see the fields.
    if let fields, !fields.canBeLeftOut { conditioning.image = fields.image(of: samples, on: tape) }
    return conditioning
  }
}
