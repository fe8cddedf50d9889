import MPI
import Models
import Pictures
import Tensors

/// CLIP's embeddings of pictures and texts.
public struct CLIPEmbedding: Sendable {
  public let model: CLIP
  let weights: ParameterBuffer
  let preparation: ImagePreparation
  /// The path of the network.
  public let path: String

  public init(_ model: CLIP, weights: ParameterBuffer, preparation: ImagePreparation, path: String) {
    self.model = model
    self.weights = weights
    self.preparation = preparation
    self.path = path
  }

  /// The length of an embedding.
  var width: Int { model.settings.width }

  /// Writes the embedding of a picture to `result` [width].
  func embed(_ picture: Picture, of path: String, _ engine: Engine, into result: UnsafeMutablePointer<Float>)
    throws
  {
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let input = tape.input([1, preparation.side, preparation.side, preparation.channels])
    _ = input.elements.update(fromContentsOf: try preparation(picture, of: path))
    result.update(from: model.embed(images: input).elements.baseAddress!, count: width)
  }

  /// The embeddings of texts on rank 0, nil elsewhere; repeated texts are computed once. Collective.
  ///
  /// - Parameters:
  ///   - tokens: the tokens of each text.
  ///   - name: the name of the texts in messages.
  public func features(
    of tokens: [[Int]], name: String, on communicator: Communicator, engine: Engine
  ) throws -> FeatureSet? {
    var places: [[Int]: Int] = [:]
    for text in tokens where places[text] == nil { places[text] = places.count }
    let distinct = places.sorted { $0.value < $1.value }.map(\.key)
    let own = EvaluatedSet.part(of: distinct.count, communicator.rank, communicator.size)
    let part = distinct[own].flatMap { text in
      Array(model.embed([text], on: Tape(engine: engine, weights: weights, gradients: nil)).elements)
    }
    guard let all = try communicator.gather(part)?.flatMap({ $0 }) else {
      return try communicator.agree { nil }
    }
    return try communicator.agree {
      try FeatureSet(
        name: name, count: tokens.count, width: width,
        values: tokens.flatMap { text in
          let place = (places[text] ?? 0) * width
          return all[place..<place + width]
        })
    }
  }
}
