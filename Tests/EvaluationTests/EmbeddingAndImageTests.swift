import Evaluation
import Kernels
import NumericsTestSupport
import Testing

@Suite struct EmbeddingAndImageTests {
  private let pool = ThreadPool(threadCount: 2)

  @Test(arguments: ["equal", "unequal", "wide", "apart"]) func discrepancyIsCMMD(name: String) throws {
    func shifted(_ set: String) throws -> FeatureSet {
      let file = try Golden.file()
      let shape = try file.shape(of: "\(name)/\(set)")
      return try FeatureSet(
        name: set, count: shape[0], width: shape[1],
        values: try file.doubles("\(name)/\(set)").map { $0 + 0.01 })
    }
    let value = try CLIPMeanDiscrepancy(shifted("generated"), shifted("reference"), pool: pool).value
    let expected = try Golden.number("\(name)/cmmd")
    #expect(relativeError(of: value, from: expected) < 1e-6, "\(value), expected \(expected)")
  }

  @Test func clipScoreIsTheMeanOfItsPairs() throws {
    let score = try CLIPScore(images: Golden.set("clip/images"), captions: Golden.set("clip/captions"))
    #expect(relativeError(of: score.value, from: try Golden.number("clip/score")) < 1e-12)
    let set = try randomSet(4, 3, seed: 1)
    #expect(abs(try CLIPScore(images: set, captions: set).value - 100) < 1e-12)
  }

  @Test func embeddingsWithoutDirectionAreRefused() throws {
    let zero = try FeatureSet(name: "zero", count: 2, width: 2, values: [1, 0, 0, 0] as [Float])
    let set = try randomSet(2, 2, seed: 2)
    #expect(throws: EvaluationError.self) { try CLIPMeanDiscrepancy(zero, set, pool: pool) }
    let error = #expect(throws: EvaluationError.self) { try CLIPScore(images: set, captions: zero) }
    #expect(error?.description == "zero: row 1 of its embeddings is zero, so it has no direction")
    let three = try randomSet(3, 2, seed: 3)
    #expect(throws: EvaluationError.self) { try CLIPScore(images: set, captions: three) }
  }

  @Test(arguments: ["grey", "colour", "bytes"]) func similarityIsScikitImages(name: String) throws {
    let file = try Golden.file()
    let (image, noisy) = (try file.floats("\(name)/image"), try file.floats("\(name)/noisy"))
    let (shape, range) = (try file.shape(of: "\(name)/image"), try Golden.number("\(name)/range"))
    let signal = ImageSimilarity.peakSignalToNoise(image, noisy, range: range)
    #expect(relativeError(of: signal, from: try Golden.number("\(name)/psnr")) < 1e-9)
    let size = (height: shape[0], width: shape[1], channels: shape[2])
    let similarity = try ImageSimilarity.structuralSimilarity(image, noisy, shape: size, range: range)
    #expect(relativeError(of: similarity, from: try Golden.number("\(name)/ssim")) < 1e-6)

    #expect(ImageSimilarity.peakSignalToNoise(image, image, range: range) == .infinity)
    #expect(try ImageSimilarity.structuralSimilarity(image, image, shape: size, range: range) == 1)
    #expect(throws: EvaluationError.self) {
      try ImageSimilarity.structuralSimilarity(
        [Float](repeating: 0, count: 100), [Float](repeating: 0, count: 100),
        shape: (height: 10, width: 10, channels: 1), range: range)
    }
  }
}
