extension CLIPTokenizer {
  /// The smallest vocabulary: the bytes within and at the end of words, the start token and the end token.
  public static let smallestVocabulary = 2 * 256 + 2

  /// A tokeniser with merges learned from texts and CLIP's layout: bytes, merged symbols in the order of their
  /// creation, start token, end token. Every text can be encoded: no byte is unknown. The order of the texts does not
  /// matter (see ``MergeTraining`` for how ties are broken).
  ///
  /// - Parameters:
  ///   - texts: the captions.
  ///   - vocabularySize: the number of tokens to create. Fewer result if no pair of symbols is left that occurs twice:
  ///     see ``vocabularySize``.
  ///   - contextLength: the number of tokens that the text encoder will take.
  public static func trained(
    on texts: some Sequence<String>, vocabularySize: Int, contextLength: Int = standardContextLength
  ) -> CLIPTokenizer {
    precondition(
      vocabularySize >= smallestVocabulary && vocabularySize <= Vocabulary.largestID,
      "a vocabulary of \(vocabularySize), expected \(smallestVocabulary) to \(Vocabulary.largestID)")
    let scanner = WordScanner(names: [], keepsNames: false, version: .tokenizers, foldsCase: false)
    var words: [[UInt8]: Int] = [:]
    for text in texts {
      scanner.forEachWord(in: TransformersCleaning.clean(text.unicodeScalars)) { word, _ in
        words[Array(String(word).utf8), default: 0] += 1
      }
    }
    var training = MergeTraining(words: words)
    training.run(size: vocabularySize - 2)
    var vocabulary = training.vocabulary
    let start = AddedToken("<|startoftext|>")
    let end = AddedToken("<|endoftext|>")
    let startID = vocabulary.append(start.bytes)
    let endID = vocabulary.append(end.bytes)
    return CLIPTokenizer(
      path: "the trained tokeniser", style: .transformers, vocabulary: vocabulary, merges: training.merges,
      added: [startID: start, endID: end],
      special: SpecialTokens(start: startID, end: endID, padding: endID, unknown: endID),
      contextLength: contextLength)
  }
}
