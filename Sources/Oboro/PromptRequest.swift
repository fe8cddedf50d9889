import Generation
import Interchange
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
  /// Files and runs of words learned by textual inversion.
  var embeddings: [String]

  init(
    _ texts: [String], negative: String? = nil, clipSkip: Int = 0, mayBeLong: Bool = false,
    embeddings: [String] = []
  ) {
    self.texts = texts
    self.negative = negative
    self.clipSkip = clipSkip
    self.mayBeLong = mayBeLong
    self.embeddings = embeddings
  }

  /// The learned words, for a text encoder of `width`.
  ///
  /// - Parameters:
  ///   - own: those of the model.
  ///   - width: the width of its tokens.
  /// - Throws: `ModelFileError` and what else reading them throws; `ModelError` for one of another width, or two alike.
  func words(besides own: [LearnedWord], width: Int) throws -> [LearnedWord] {
    var words = own
    for path in embeddings {
      for word in try LearnedWords.read(path).map({ LearnedWord($0) }) {
        guard word.vectors[0].count == width else {
          throw ModelError(
            "\(path): \(word.text) has \(word.vectors[0].count) numbers, and the text encoder's tokens have \(width)"
          )
        }
        guard !words.contains(where: { $0.text == word.text }) else {
          throw ModelError("\(path): there are two words \(word.text)")
        }
        words.append(word)
      }
    }
    return words
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
