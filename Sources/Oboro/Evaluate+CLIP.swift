import ArgumentParser
import Evaluation
import Interchange
import MPI
import Tensors

extension Evaluate {
  /// The agreement of the first set with its texts, and with the second set if there is one, by CLIP embeddings; on
  /// rank 0, nil elsewhere. Collective.
  func scores(
    _ path: String, _ sets: [EvaluatedSet], on communicator: Communicator, _ engine: Engine
  ) throws -> CLIPScores? {
    try communicator.agree {
      if let set = sets.firstIndex(where: { !$0.hasImages }) {
        throw ValidationError(
          "--clip needs pictures, and \(set == 0 ? "--generated" : "--reference") names an array of features")
      }
    }
    let frozen = try FrozenCLIP.load(path, on: communicator)
    let (embedding, texts) = try communicator.agree {
      let vision = frozen.model.settings.vision
      let preparation =
        try frozen.preparationFile.map {
          try ImagePreparation(
            json: frozen.preparation(), file: $0, side: vision.imageSize, channels: vision.channels)
        } ?? ImagePreparation(side: vision.imageSize, channels: vision.channels)
      let embedding = CLIPEmbedding(
        frozen.model, weights: frozen.weights, preparation: preparation, path: path)
      return (embedding, try self.texts(of: sets[0]))
    }
    guard texts != nil || sets.count > 1 else {
      return try communicator.agree {
        throw ValidationError(
          "nothing says what the pictures of --generated show: name the dataset of their captions with --captions, or a "
            + "set to compare them with as --reference")
      }
    }
    let features = try features(of: sets, .clip(embedding), on: communicator, engine)
    let captions =
      try texts.map { texts in
        try embedding.features(
          of: texts.map { frozen.tokenizer.encode($0).tokens }, name: "the texts of \(generated ?? "")",
          on: communicator, engine: engine)
      } ?? nil
    return try communicator.agree {
      guard let features else { return nil }
      var numbers: [[UInt8]: Int] = [:]
      let known = (texts ?? []).map { text in
        let number = numbers[Array(text.utf8)] ?? numbers.count
        numbers[Array(text.utf8)] = number
        return number
      }
      return try CLIPScores(
        generated: features[0], captions: captions, texts: known,
        reference: features.count > 1 ? features[1] : nil, seed: seed, pool: engine.threads)
    }
  }

  /// The text of each image of a set; nil if unknown.
  private func texts(of set: EvaluatedSet) throws -> [String]? {
    // Images drawn by a model have their prompts.
    guard let captions, !DrawnImages.areOf(generated ?? "") else { return try set.texts }
    let dataset = try DatasetCaptions(captions)
    guard dataset.count == set.imageCount else {
      throw ValidationError(
        "--captions names a dataset of \(dataset.count) samples, and --generated holds \(set.imageCount ?? 0) pictures: "
          + "each picture needs its caption")
    }
    return try dataset.texts(dataset.count)
  }
}
