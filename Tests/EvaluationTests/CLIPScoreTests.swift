import Evaluation
import Foundation
import Kernels
import NumericsTestSupport
import Pictures
import Testing

/// CLIP scores and CMMD, against torchmetrics' and google-research/cmmd's formulas on transformers' embeddings
/// (`clip_scores.py`).
@Suite struct CLIPScoreTests {
  private let pool = ThreadPool(threadCount: 2)

  private func set(_ name: String) throws -> FeatureSet {
    let file = try Fixture.safetensors("evaluation/clip")
    let shape = try file.shape(of: name)
    return try FeatureSet(name: name, count: shape[0], width: shape[1], values: try file.doubles(name))
  }

  private func number(_ name: String) throws -> Double {
    try Fixture.safetensors("evaluation/clip").doubles(name)[0]
  }

  @Test func scoresArePublishedPrograms() throws {
    let score = try CLIPScore(images: set("generated"), captions: set("texts"))
    #expect(relativeError(of: score.value, from: try number("score")) < 1e-9)
    #expect(relativeError(of: score.error, from: try number("score_error")) < 1e-9)
    let discrepancy = try CLIPMeanDiscrepancy(set("generated"), set("reference"), pool: pool)
    #expect(relativeError(of: discrepancy.value, from: try number("cmmd")) < 1e-6)
    #expect(relativeError(of: discrepancy.error, from: try number("cmmd_error")) < 1e-6)
  }

  @Test func anyNumberOfThreadsGivesTheSameBits() throws {
    let (a, b) = (try randomSet(700, 9, seed: 1), try randomSet(300, 9, seed: 2))
    let results = try [1, 3].map { try CLIPMeanDiscrepancy(a, b, pool: ThreadPool(threadCount: $0)) }
    #expect(results[0] == results[1])
  }

  /// Each image has the text of another one, and all texts are used as often as before.
  @Test func textsAreExchanged() throws {
    let (images, captions) = (try set("generated"), try set("texts"))
    let texts = [0, 1, 0, 2, 3, 4, 5, 6]
    let scores = try CLIPScores(
      generated: images, captions: captions, texts: texts, reference: nil, seed: 1, pool: pool)
    #expect(try scores.score == CLIPScore(images: images, captions: captions))
    #expect(scores.discrepancy == nil)
    let shuffled = try #require(scores.shuffled)
    #expect(shuffled.value != scores.score?.value)
    let other = try CLIPScores(
      generated: images, captions: captions, texts: texts, reference: nil, seed: 2, pool: pool)
    #expect(other.shuffled != shuffled)

    // An image whose text is its own direction scores 100; with any other one's it must not.
    let axes = try FeatureSet(
      name: "axes", count: 6, width: 6,
      values: (0..<36).map { $0 / 6 == $0 % 6 ? 1 : 0 } as [Float])
    for seed in 0..<20 as Range<UInt64> {
      let scores = try CLIPScores(
        generated: axes, captions: axes, texts: Array(0..<6), reference: nil, seed: seed, pool: pool)
      #expect(scores.score?.value == 100 && scores.shuffled?.value == 0)
    }
    let alike = try CLIPScores(
      generated: images, captions: captions, texts: [Int](repeating: 3, count: 8), reference: nil, seed: 1,
      pool: pool)
    #expect(alike.shuffled == nil)
  }

  /// Bit for bit Pillow's.
  @Test(arguments: [("resized", "00"), ("enlarged", "02")])
  func bicubicIsPillows(name: String, file: String) throws {
    let golden = try Fixture.safetensors("evaluation/clip")
    let path = Fixture.url("evaluation/clip-pictures/generated/\(file).png").path
    let shape = try golden.shape(of: name)
    let resampled = try ImageFile(path).decode().bicubic(width: shape[1], height: shape[0])
    #expect(resampled.samples.map { Float($0) } == (try golden.floats(name)))
  }

  @Test(arguments: [
    (#"{"resample": 2}"#, "resample is 2, and 3 (bicubic) is computed here"),
    (#"{"crop_size": 64}"#, "makes pictures of another size than the network's image_size, 32"),
    (#"{"crop_size": 32, "size": 31}"#, "size is below crop_size"),
    (#"{"crop_size": 32, "image_mean": [0.5]}"#, "image_mean and image_std are for 3 channels"),
    ("[]", "is no configuration of an image processor"),
  ])
  func processorsThatCannotBe(json: String, message: String) throws {
    let error = #expect(throws: EvaluationError.self) {
      try ImagePreparation(json: Array(json.utf8), file: "processor.json", side: 32, channels: 3)
    }
    #expect(error?.description.contains("processor.json: ") == true)
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }
}
