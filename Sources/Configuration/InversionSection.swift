import Layers
import Settings

/// The `inversion` section of a configuration: a new word whose embedding vectors are trained while everything else
/// stays frozen (textual inversion).
public struct InversionSection: Sendable {
  /// The trained vectors.
  public let table: WordTable
  /// The text whose token embeddings initialise the vectors.
  public let initial: String
  /// The text used for every image; nil uses the image's caption.
  public let template: String?

  package static let key = "inversion"

  /// nil if the configuration lacks the section.
  ///
  /// - Throws: `SettingsError`.
  init?(_ reader: SettingsReader, of task: TaskSettings, base: String?) throws {
    guard reader.isGiven(Self.key) else { return nil }
    let section = try reader.section(Self.key)
    let word = try section.required("word", as: String.self, help: "the new word, as texts write it")
    let count = try section.value("vectors", default: 1, in: 1...64, help: "how many tokens it stands for")
    initial = try section.required(
      "initial", as: String.self, help: "a known word, with whose embedding training begins")
    template = try section.value(
      "template", as: String.self, help: "what is said of each image, with the word; null: its caption")
    guard case .diffusion(let diffusion) = task, diffusion.text != nil,
      let width = diffusion.model.contextWidth
    else {
      throw reader.invalid(
        Self.key,
        "is for a denoiser that is told texts: set conditioning.text_encoder, and a model that attends to them"
      )
    }
    guard base != nil else {
      throw reader.invalid(
        Self.key, "needs \(TrainingConfiguration.baseKey): the denoiser, which is not trained")
    }
    guard !reader.isGiven(AdapterSection.key) else {
      throw reader.invalid(Self.key, "and \(AdapterSection.key) are two things to train: keep one section")
    }
    if diffusion.trainedText != nil {
      throw reader.invalid(
        Self.key,
        "is trained beside frozen networks: leave conditioning.\(TaskSettings.TextSection.trainingKey) away")
    }
    guard !word.isEmpty, !word.contains(where: { $0.isWhitespace || $0 == "/" || $0 == "." || $0 == "\0" })
    else {
      throw section.invalid(
        "word", "is \"\(word)\": expected a word without white space, slashes and points, such as <cat>")
    }
    if let template, !template.contains(word) {
      throw section.invalid("template", "does not have the word \(word)")
    }
    table = WordTable(word: word, count: count, width: width)
  }
}
