import ArgumentParser
import Generation
import Interchange
import Models

/// Options that say what pictures are of, for models that read texts.
struct PromptOptions: ParsableArguments {
  @Option(
    name: .customLong("prompt"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "What to draw, of a pipeline that reads texts; several take turns. Guidance is 7.5 unless --guidance says.",
      valueName: "text"))
  var prompts: [String] = []

  @Option(name: .customLong("negative-prompt"), help: ArgumentHelp("What not to draw.", valueName: "text"))
  var negative: String?

  @Option(
    help: ArgumentHelp(
      "Layers of the text encoder to leave out at its end for prompts, as diffusers counts: 1 takes the last but one.",
      valueName: "layers"))
  var clipSkip: Int?

  @Option(
    name: .customLong("embedding"),
    help: ArgumentHelp(
      "A word that prompts may have, learned by textual inversion: a run, or a file of diffusers (learned_embeds.safetensors); may be repeated.",
      valueName: "file"))
  var embeddings: [String] = []

  /// The learned words, for a text encoder of `width`.
  ///
  /// - Parameter own: those of the model.
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

  /// diffusers' guidance of prompts.
  static let guidance = 7.5

  func validate() throws {
    if let clipSkip, clipSkip < 0 { throw ValidationError("--clip-skip must be at least 0, is \(clipSkip)") }
    if prompts.isEmpty, let given { throw ValidationError("\(given) is of no use without --prompt") }
  }

  /// The option that needs a prompt, if it was given.
  private var given: String? {
    negative != nil
      ? "--negative-prompt"
      : clipSkip != nil ? "--clip-skip" : embeddings.isEmpty ? nil : "--embedding"
  }
}
