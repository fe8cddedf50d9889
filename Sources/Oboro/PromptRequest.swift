import Models

/// What a model that reads texts is to draw.
struct Prompts: Sendable {
  var texts: [String]
  /// What not to draw; nil: nothing is said.
  var negative: String?
  /// Layers of the text encoder that are left out at its end for the texts, not for the negative one.
  var clipSkip: Int
  /// Whether texts that are longer than the encoder takes go through it in chunks, or are cut.
  var mayBeLong: Bool

  init(_ texts: [String], negative: String? = nil, clipSkip: Int = 0, mayBeLong: Bool = false) {
    self.texts = texts
    self.negative = negative
    self.clipSkip = clipSkip
    self.mayBeLong = mayBeLong
  }
}

/// Where a model's prompts come from.
enum PromptRequest {
  /// From the user, who gives some if the model reads texts, and else none.
  case given(Prompts)
  /// From elsewhere, if the model reads texts.
  case ifRead(() throws -> [String])

  var clipSkip: Int { if case .given(let prompts) = self { prompts.clipSkip } else { 0 } }

  /// - Parameter model: what messages call it, such as `the model of runs/first`.
  /// - Returns: nil for a model that reads no texts.
  /// - Throws: `ModelError` where the user should give some, or none.
  func prompts(readsTexts: Bool, _ model: String) throws -> Prompts? {
    switch self {
    case .ifRead(let texts): return readsTexts ? Prompts(try texts()) : nil
    case .given(let prompts):
      guard readsTexts != prompts.texts.isEmpty else {
        throw ModelError(
          readsTexts
            ? "\(model) draws what a text says: give it one with --prompt"
            : "\(model) reads no texts: leave --prompt away")
      }
      return readsTexts ? prompts : nil
    }
  }
}
