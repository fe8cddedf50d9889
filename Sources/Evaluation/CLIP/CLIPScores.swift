import Kernels
import Randomness

/// The agreement of images with texts, and with other images, by their CLIP embeddings.
public struct CLIPScores: Sendable, Equatable {
  /// The mean over the images of 100 cos(image, its text), see `CLIPScore`.
  public let score: CLIPScore?
  /// The same with the texts of other images: the score of a model that ignores its texts. nil where all texts are
  /// equal.
  public let shuffled: CLIPScore?
  /// nil without a reference set.
  public let discrepancy: CLIPMeanDiscrepancy?

  /// - Parameters:
  ///   - captions: embeddings of the generated images' texts; nil if these are unknown.
  ///   - texts: numbers that are equal where the texts are.
  ///   - seed: determines which texts are exchanged.
  /// - Throws: `EvaluationError` if the shapes differ, an embedding is zero, or there are too few images.
  public init(
    generated: FeatureSet, captions: FeatureSet?, texts: [Int], reference: FeatureSet?, seed: UInt64,
    pool: ThreadPool
  ) throws {
    score = try captions.map { try CLIPScore(images: generated, captions: $0) }
    shuffled = try captions.flatMap { captions in
      let others = Self.exchanged(texts, seed: seed)
      return try others.map { try CLIPScore(images: generated, captions: captions, rows: $0) }
    }
    discrepancy = try reference.map { try CLIPMeanDiscrepancy(generated, $0, pool: pool) }
  }

  /// For each of `texts`, an index with a different text: the distinct texts, in the order of their first occurrences,
  /// are exchanged along one random cycle (Sattolo, "An algorithm to generate a random cyclic permutation", 1986).
  ///
  /// - Returns: nil if all texts are equal.
  static func exchanged(_ texts: [Int], seed: UInt64) -> [Int]? {
    var first: [Int: Int] = [:]
    var order: [Int] = []
    for (place, text) in texts.enumerated() where first[text] == nil {
      first[text] = order.count
      order.append(place)
    }
    guard order.count > 1 else { return nil }
    let stream = RandomStream(seed: seed, purpose: .evaluation)
    var cycle = Array(order.indices)
    for place in stride(from: cycle.count - 1, to: 0, by: -1) {
      cycle.swapAt(place, stream.integer(below: place, place))
    }
    return texts.map { order[cycle[first[$0] ?? 0]] }
  }
}
