import ArgumentParser
import Datasets
import Text

/// Options for a tokeniser trained on the captions of a new dataset.
struct VocabularyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Also train a tokeniser on the captions, and write it to this folder.", valueName: "dir"))
  var vocabulary: String?

  @Option(help: "How many tokens it is to have at most.")
  var vocabularySize = 4096

  @Option(
    help: "How many tokens of a text the text encoder is to take, the start and the end token among them.")
  var contextLength = CLIPTokenizer.standardContextLength

  func validate() throws {
    guard vocabulary != nil else { return }
    let sizes = CLIPTokenizer.smallestVocabulary...1_000_000
    guard sizes.contains(vocabularySize) else {
      throw ValidationError(
        "--vocabulary-size must be \(sizes.lowerBound) to \(sizes.upperBound), is \(vocabularySize)")
    }
    guard (3...65_536).contains(contextLength) else {
      throw ValidationError("--context-length must be 3 to 65536, is \(contextLength)")
    }
  }

  /// - Throws: `ValidationError` for samples without captions, on which a tokeniser cannot be trained.
  func requireCaptions(_ samples: any SampleSource) throws {
    guard vocabulary != nil, !samples.fields.contains(where: { $0.role == .caption }) else { return }
    throw ValidationError("--vocabulary is made of captions, and \(samples.name) has none")
  }

  /// Trains the tokeniser on the captions of a dataset, and writes it.
  ///
  /// - Returns: a summary; nil if no tokeniser was requested.
  /// - Throws: `DatasetError`, `TokenizerError`, `FileError`.
  func write(of directory: String) throws -> String? {
    guard let vocabulary else { return nil }
    let dataset = try ShardedDataset(directory: directory)
    guard let field = dataset.manifest.field(.caption) else { return nil }
    let place = try dataset.index(of: field.name)
    // Missing captions of a sample with several are stored as empty texts.
    let texts = try (0..<dataset.count).flatMap { index in
      try dataset.text(index, field: place).filter { field.shape.isEmpty || !$0.isEmpty }
    }
    let tokenizer = CLIPTokenizer.trained(
      on: texts, vocabularySize: vocabularySize, contextLength: contextLength)
    try tokenizer.write(toFolder: vocabulary)
    let cut = texts.filter { tokenizer.encode($0).cut > 0 }.count
    return "\(vocabulary): a tokeniser of \(tokenizer.vocabularySize) tokens, the end token is "
      + "\(tokenizer.endToken); \(cut) of \(texts.count) captions are longer than \(contextLength) tokens"
  }
}
