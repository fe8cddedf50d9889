import Datasets
import Diffusion
import Evaluation
import Foundation
import Kernels
import Layers
import Models
import NumericsTestSupport
import Safetensors
import Tensors
import TestSupport
import Testing

/// The variational bound and the losses of a model that is a formula, against `Tests/Fixtures/generators/bound.py`.
@Suite struct DenoiserEvaluationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let schedule: NoiseSchedule.Kind
    let timesteps: Int
    let loss: PredictionLoss
    let type: FieldType
    let seed: UInt64
    var kept: Int?

    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "linear", schedule: .linear, timesteps: 20, loss: .huber, type: .uint8, seed: 7),
    Case(name: "cosine", schedule: .cosine, timesteps: 30, loss: .l2, type: .uint8, seed: 0),
    Case(name: "spaced", schedule: .linear, timesteps: 50, loss: .l1, type: .uint8, seed: 1 << 40, kept: 7),
    Case(name: "words", schedule: .linear, timesteps: 12, loss: .l2, type: .uint16, seed: 2),
  ]

  /// Images of the fixture, as a dataset's.
  private struct Images: SampleSource {
    let name = "golden"
    let split = "test"
    let count: Int
    let fields: [Field]
    let classNames = ["a", "b", "c"]
    let pixels: [Int]
    let labels: [Int]

    func read(_ index: Int, into sample: SampleSlot) throws {
      let size = fields[0].elementCount
      for place in 0..<size {
        let value = pixels[index * size + place]
        switch fields[0].type {
        case .uint8: sample.bytes(0).storeBytes(of: UInt8(value), toByteOffset: place, as: UInt8.self)
        case .uint16: sample.bytes(0).storeBytes(of: UInt16(value), toByteOffset: 2 * place, as: UInt16.self)
        default: sample.bytes(0).storeBytes(of: Float(value), toByteOffset: 4 * place, as: Float.self)
        }
      }
      sample.bytes(1).storeBytes(of: Int32(labels[index]), as: Int32.self)
    }
  }

  /// slope[t] x + 0.02 (class + 1), or no more than the first for an image of no class.
  private struct Formula: Denoiser {
    let parameters = ParameterBuilder().layout
    let imageChannels: Int
    var predictionChannels: Int { imageChannels }
    let imageSize = ImageSize.multiples(of: 1)
    let slopes: [Float: Float]
    var classes: ModelClasses? = ModelClasses(count: 3, dropout: 0.5)

    func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
      let output = x.tape.input(x.shape)
      let size = x.count / timesteps.count
      for index in output.elements.indices {
        let image = index / size
        let shift = conditioning.classes[image].map { 0.02 * Float($0 + 1) } ?? 0
        output.elements[index] = (slopes[timesteps[image]] ?? .nan) * x.elements[index] + shift
      }
      return output
    }
  }

  private let folder: TemporaryDirectory
  private let file: SafetensorsFile

  init() throws {
    folder = try TemporaryDirectory()
    file = try Fixture.safetensors("evaluation/bound")
  }

  private func evaluation(
    _ golden: Case, type: FieldType? = nil, count: Int? = nil, slope: (Float) -> Float = { $0 }
  ) throws -> DenoiserEvaluation {
    let shape = try file.shape(of: "\(golden.name)/images")
    let source = Images(
      count: shape[0],
      fields: [
        Field(name: "images", type: type ?? golden.type, shape: Array(shape.dropFirst()), role: .image),
        Field(name: "labels", type: .int32, shape: [], role: .label),
      ],
      pixels: try file.int64s("\(golden.name)/images").map { Int($0) },
      labels: try file.int64s("\(golden.name)/labels").map { Int($0) })
    let directory = "\(folder.path)/\(golden.name)-\(source.fields[0].type.rawValue)"
    if !FileManager.default.fileExists(atPath: directory) {
      try DatasetWriter(directory: directory, shardCount: 2).write(source)
    }
    let timesteps = try file.int64s("\(golden.name)/timesteps").map { Float($0) }
    let slopes = try file.floats("\(golden.name)/slopes").map(slope)
    return try DenoiserEvaluation(
      model: Formula(
        imageChannels: shape[3], slopes: Dictionary(uniqueKeysWithValues: zip(timesteps, slopes))),
      weights: ParameterBuffer(count: 1),
      process: DiffusionProcess(
        schedule: NoiseSchedule(golden.schedule, timesteps: golden.timesteps), loss: golden.loss),
      dataset: ShardedDataset(directory: directory), count: count, timesteps: golden.kept, seed: golden.seed)
  }

  private func scores(_ evaluation: DenoiserEvaluation, threads: Int = 1) throws -> DenoiserScores {
    try evaluation.scores(
      of: evaluation.sums(0..<evaluation.passes(rank: 0, of: 1), engine: Engine(threadCount: threads)))
  }

  @Test(arguments: cases) func boundAndLossesAreThoseOfTheFormulas(golden: Case) throws {
    let scores = try scores(evaluation(golden))
    let bound = try #require(scores.bound)
    #expect(scores.timesteps == (try file.int64s("\(golden.name)/timesteps").map { Int($0) }))
    #expect(scores.images == (try file.shape(of: "\(golden.name)/images"))[0])
    func compare(_ found: [Double], _ name: String) throws {
      let expected = try file.doubles("\(golden.name)/\(name)")
      #expect(found.count == expected.count)
      for (index, (a, b)) in zip(found, expected).enumerated() {
        #expect(relativeError(of: a, from: b) < 2e-6, "\(name) \(index): \(a), expected \(b)")
      }
    }
    try compare(bound.terms, "terms")
    try compare([bound.prior], "prior")
    try compare([bound.total], "total")
    try compare(scores.losses, "losses")
  }

  /// However the passes are shared, on any number of threads.
  @Test func theResultDependsOnNoRanksAndThreads() throws {
    let evaluation = try evaluation(Self.cases[0])
    let count = evaluation.passes(rank: 0, of: 1)
    // 37 images are two passes at each of 20 timesteps.
    #expect(count == 40)
    let alone = try evaluation.sums(0..<count, engine: Engine(threadCount: 1))
    for threads in [2, 3] {
      #expect(try evaluation.sums(0..<count, engine: Engine(threadCount: threads)) == alone)
    }
    for size in [2, 3, 7] {
      var start = 0
      let shared = try (0..<size).flatMap { rank in
        let own = evaluation.passes(rank: rank, of: size)
        defer { start += own }
        return try evaluation.sums(start..<start + own, engine: Engine(threadCount: 1))
      }
      #expect(start == count && shared == alone)
    }
  }

  /// Those that are left out do not change the noise of the others.
  @Test func someImagesAreSpreadOverTheDataset() throws {
    let golden = Self.cases[1]
    let all = try evaluation(golden)
    let one = try scores(try evaluation(golden, count: 1))
    #expect(one.images == 1)
    #expect(try scores(evaluation(golden, count: 100)).images == 5)
    #expect(try scores(evaluation(golden, count: 100)).losses == scores(all).losses)
    #expect(one.losses != (try scores(all)).losses)
  }

  /// Numbers without steps have densities, which say nothing of bits; losses they have.
  @Test func imagesOfFloatsHaveNoBound() throws {
    let scores = try scores(try evaluation(Self.cases[1], type: .float32))
    #expect(scores.bound == nil)
    #expect(scores.losses.allSatisfy { $0.isFinite })
  }

  @Test func aModelThatGivesNoNumbersIsTold() throws {
    let error = #expect(throws: EvaluationError.self) {
      try scores(try evaluation(Self.cases[1], slope: { _ in .nan }))
    }
    #expect(error?.description.contains("prediction at timestep 0 holds NaN") == true)
  }
}
