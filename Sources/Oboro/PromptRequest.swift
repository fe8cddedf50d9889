import Generation
import Interchange
import Models

/// The prompts for a model with text conditioning.
struct Prompts: Sendable {
  var texts: [String]
  /// The negative prompt; nil if none was given.
  var negative: String?
  /// The number of final layers of the text encoder that are skipped for prompts, but not for the negative prompt.
  var clipSkip: Int
  /// Whether texts that are too long for the encoder are split into chunks instead of being cut.
  var mayBeLong: Bool
  /// Files and runs with words learned by textual inversion.
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
  ///   - own: the model's learned words.
  ///   - width: the width of the encoder's tokens.
  /// - Throws: `ModelFileError` and other errors of reading them; `ModelError` for a word of another width, or a
  ///   duplicate.
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

/// The source of a model's prompts.
enum PromptRequest {
  /// The user, who must give prompts if the model has text conditioning, and none otherwise.
  case given(Prompts)
  /// Another source, used if the model has text conditioning.
  case ifRead(() throws -> [String])

  var clipSkip: Int { if case .given(let prompts) = self { prompts.clipSkip } else { 0 } }

  /// - Parameter model: the model's name in messages, such as `the model of runs/first`.
  /// - Returns: nil for a model without text conditioning.
  /// - Throws: `ModelError` if the user's prompts are missing, or given for a model without text conditioning.
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
