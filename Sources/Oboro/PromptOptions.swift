import ArgumentParser
import Generation
import Interchange
import Models

/// Prompt options, for models with text conditioning.
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

  @Flag(
    help:
      "Let prompts be longer than the text encoder takes: they go through it in chunks, and the network attends to all of them."
  )
  var longPrompts = false

  var request: PromptRequest {
    .given(
      Prompts(
        prompts, negative: negative, clipSkip: clipSkip ?? 0, mayBeLong: longPrompts, embeddings: embeddings))
  }

  /// The default guidance scale of diffusers for prompts.
  static let guidance = 7.5

  func validate() throws {
    if let clipSkip, clipSkip < 0 { throw ValidationError("--clip-skip must be at least 0, is \(clipSkip)") }
    if prompts.isEmpty, let given { throw ValidationError("\(given) is of no use without --prompt") }
  }

  /// An option that needs a prompt and was given, if there is one.
  private var given: String? {
    negative != nil
      ? "--negative-prompt"
      : clipSkip != nil
        ? "--clip-skip" : longPrompts ? "--long-prompts" : embeddings.isEmpty ? nil : "--embedding"
  }
}
