import Layers
import Tensors

/// transformers' `CLIPTextModel`: the text transformer of CLIP (Radford et al., 2021), with causal attention.
///
/// Tensor names in files follow the class in transformers 5; earlier versions prefix them with `text_model.`.
public struct CLIPTextModel: TextEncoder {
  public let parameters: ParameterLayout
  private let network: CLIPTextNetwork

  public var vocabularySize: Int { network.settings.vocabularySize }
  public var tokenLimit: Int { network.settings.tokenLimit }
  public var width: Int { network.settings.transformer.width }

  public init(
    _ settings: CLIPTextSettings, _ builder: ParameterBuilder = ParameterBuilder("text encoder")
  ) {
    network = CLIPTextNetwork(builder, settings)
    parameters = builder.layout
  }

  public func callAsFunction(
    _ tokens: [[Int]], lengths: [Int]?, words: Tensor?, on tape: Tape
  ) -> EncodedText {
    network(tokens, lengths: lengths, words: words, on: tape)
  }

  public func placed(in builder: ParameterBuilder) -> any TextEncoder {
    CLIPTextModel(network.settings, builder)
  }

  public func embedding(of token: Int, _ weights: ParameterBuffer) -> [Float] {
    network.tokenEmbedding.row(token, weights)
  }
}

/// The layers of `CLIPTextModel`, shared with `CLIP`.
struct CLIPTextNetwork: Sendable {
  let settings: CLIPTextSettings
  let tokenEmbedding: Embedding
  private let positions: LearnedPositionalEmbedding
  private let transformer: CLIPTransformer
  private let finalNorm: LayerNorm

  init(_ builder: ParameterBuilder, _ settings: CLIPTextSettings) {
    self.settings = settings
    let width = settings.transformer.width
    let initialization = Parameter.Initialization.normal(deviation: 0.02 * settings.transformer.factor)
    tokenEmbedding = Embedding(
      builder["embeddings"]["token_embedding"], rows: settings.vocabularySize, width: width, initialization)
    positions = LearnedPositionalEmbedding(
      builder["embeddings"]["position_embedding"], places: settings.tokenLimit, width: width, initialization)
    transformer = CLIPTransformer(builder["encoder"], settings.transformer)
    finalNorm = LayerNorm(
      builder["final_layer_norm"], channels: width, epsilon: settings.transformer.epsilon)
  }

  func callAsFunction(
    _ tokens: [[Int]], lengths: [Int]?, words: Tensor? = nil, on tape: Tape
  ) -> EncodedText {
    let length = tokens.first?.count ?? 0
    precondition(
      length > 0 && length <= settings.tokenLimit && tokens.allSatisfy { $0.count == length },
      "texts of \(Set(tokens.map(\.count)).sorted()) tokens, for \(settings.tokenLimit) places")
    let embedded = embedded(tokens.flatMap { $0 }, words, on: tape)
      .reshaped([tokens.count, length, settings.transformer.width])
    let mask = TokenContext(embedded, lengths: lengths).mask
    let hidden = transformer(
      positions(embedded), isCausal: true, keyMask: mask, skipping: settings.skippedLayers)
    return EncodedText(tokens: finalNorm(hidden), ends: tokens.map(end))
  }

  /// [tokens, D].
  private func embedded(_ tokens: [Int], _ words: Tensor?, on tape: Tape) -> Tensor {
    let vocabulary = settings.vocabularySize
    guard let words, tokens.contains(where: { $0 >= vocabulary }) else {
      return tokenEmbedding(tokens, on: tape)
    }
    return tokenEmbedding(tokens.map { $0 < vocabulary ? $0 : nil }, on: tape)
      + words.rows(tokens.map { $0 < vocabulary ? nil : $0 - vocabulary })
  }

  /// The position of the token that represents a text: the first end token; for files with the historical wrong end
  /// token 2, the first token with the largest number. Without an end token it is the first token, as in transformers.
  private func end(_ tokens: [Int]) -> Int {
    let wanted = settings.endToken == 2 ? tokens.max() : settings.endToken
    return tokens.firstIndex { $0 == wanted } ?? 0
  }
}
