import Datasets
import Diffusion
import Evaluation
import Foundation
import Kernels
import Layers
import Models
import NumericsTestSupport
import Randomness
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
    var prediction = Prediction.epsilon
    var variance = ReverseVariance.fixedSmall
    var isRescaled = false

    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "linear", schedule: .linear, timesteps: 20, loss: .huber, type: .uint8, seed: 7),
    Case(name: "cosine", schedule: .cosine, timesteps: 30, loss: .l2, type: .uint8, seed: 0),
    Case(name: "spaced", schedule: .linear, timesteps: 50, loss: .l1, type: .uint8, seed: 1 << 40, kept: 7),
    Case(name: "words", schedule: .linear, timesteps: 12, loss: .l2, type: .uint16, seed: 2),
    Case(
      name: "large", schedule: .linear, timesteps: 15, loss: .huber, type: .uint8, seed: 3,
      prediction: .sample,
      variance: .fixedLarge),
    Case(
      name: "learned", schedule: .cosine, timesteps: 40, loss: .l2, type: .uint8, seed: 4, kept: 9,
      variance: .learnedRange),
    Case(
      name: "zero-terminal", schedule: .linear, timesteps: 25, loss: .l2, type: .uint8, seed: 5,
      prediction: .v,
      variance: .learnedRange, isRescaled: true),
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

  /// slope[t] x + 0.02 (class + 1), or no more than the first for an image of no class; variances of 0.4 x.
  private struct Formula: Denoiser {
    let parameters = ParameterBuilder().layout
    let imageChannels: Int
    var outputsPerChannel = 1
    var predictionChannels: Int { imageChannels * outputsPerChannel }
    let imageSize = ImageSize.multiples(of: 1)
    let slopes: [Float: Float]
    /// At timesteps that are not among them.
    var elsewhere = Float.nan
    var classes: ModelClasses? = ModelClasses(count: 3, dropout: 0.5)

    func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
      let output = x.tape.input(x.shape.dropLast() + [predictionChannels])
      let size = x.count / timesteps.count
      for index in x.elements.indices {
        let image = index / size
        let shift = conditioning.classes[image].map { 0.02 * Float($0 + 1) } ?? 0
        let place = index / imageChannels * predictionChannels + index % imageChannels
        output.elements[place] = (slopes[timesteps[image]] ?? elsewhere) * x.elements[index] + shift
        if outputsPerChannel > 1 { output.elements[place + imageChannels] = 0.4 * x.elements[index] }
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
    let schedule = NoiseSchedule(golden.schedule, timesteps: golden.timesteps)
    let process = DDPMProcess(
      schedule: golden.isRescaled ? schedule.rescaledToZeroTerminalSNR() : schedule,
      prediction: golden.prediction, variance: golden.variance, loss: golden.loss,
      weighting: .minSNR(gamma: 0.01), offsetNoise: 1)
    let timesteps = try file.int64s("\(golden.name)/timesteps").map { Float($0) }
    let slopes = Dictionary(
      uniqueKeysWithValues: zip(timesteps, try file.floats("\(golden.name)/slopes").map(slope)))
    return try DenoiserEvaluation(
      model: Formula(
        imageChannels: try file.shape(of: "\(golden.name)/images")[3],
        outputsPerChannel: process.outputsPerChannel, slopes: slopes),
      weights: ParameterBuffer(count: 1), process: process, dataset: dataset(golden, type: type),
      count: count,
      timesteps: golden.kept, seed: golden.seed)
  }

  private func dataset(_ golden: Case, type: FieldType? = nil) throws -> ShardedDataset {
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
    return try ShardedDataset(directory: directory)
  }

  private func scores(_ evaluation: DenoiserEvaluation, threads: Int = 1) throws -> DenoiserScores {
    try evaluation.scores(
      of: evaluation.sums(0..<evaluation.passes(rank: 0, of: 1), engine: Engine(threadCount: threads)))
  }

  @Test(arguments: cases) func boundAndLossesAreThoseOfTheFormulas(golden: Case) throws {
    let scores = try scores(evaluation(golden))
    let bound = try #require(scores.bound)
    #expect(scores.timesteps == (try file.int64s("\(golden.name)/timesteps").map { Float($0) }))
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

  /// x = x_0 + σ ε at the levels below which 1/6, 1/2 and 5/6 of training's lie, by the formulas of Karras et al. (2022),
  /// table 1, and of rectified flow.
  @Test func inContinuousTimeLossesAreOfTheQuantilesOfTraining() throws {
    let golden = Self.cases[1]
    let dataset = try dataset(golden)
    let shape = try file.shape(of: "\(golden.name)/images")
    let pixels = try file.int64s("\(golden.name)/images").map { Float($0) / 127.5 - 1 }
    let labels = try file.int64s("\(golden.name)/labels")
    let size = shape[1] * shape[2] * shape[3]

    /// - Parameter level: of x_0 and ε what the model sees, and what it should say.
    func compare(
      _ process: any DiffusionProcess, _ told: [Double],
      _ level: (_ k: Int, _ x0: Double, _ noise: Double) -> (x: Double, target: Double)
    ) throws {
      let scores = try scores(
        DenoiserEvaluation(
          model: Formula(imageChannels: shape[3], slopes: [:], elsewhere: 0.5),
          weights: ParameterBuffer(count: 1), process: process, dataset: dataset, timesteps: told.count,
          seed: 9))
      #expect(scores.bound == nil)
      for (k, timestep) in told.enumerated() {
        #expect(abs(Double(scores.timesteps[k]) - timestep) < 1e-5 * abs(timestep))
        var sum = 0.0
        for image in 0..<shape[0] {
          let noise = normals(size, RandomStream(seed: 9, purpose: .evaluation, step: k, sample: image))
          for place in 0..<size {
            let (x, target) = level(k, Double(pixels[image * size + place]), Double(noise[place]))
            let output = 0.5 * x + (labels[image] < 0 ? 0 : 0.02 * Double(labels[image] + 1))
            sum += (output - target) * (output - target)
          }
        }
        #expect(relativeError(of: scores.losses[k], from: sum / Double(size * shape[0])) < 2e-6)
      }
    }
    // Φ(0.9674216) = 5/6.
    let sigmas = [-0.967_421_566_1, 0, 0.967_421_566_1].map { exp(-1.2 + 1.2 * $0) }
    try compare(EDMProcess(offsetNoise: 1), sigmas.map { log($0) / 4 }) { k, x0, noise in
      let sigma = sigmas[k]
      let data = 0.5
      let x: Double = x0 + sigma * noise
      let total: Double = sigma * sigma + data * data
      let skip: Double = data * data / total
      let root = total.squareRoot()
      return (x / root, (x0 - skip * x) * root / (sigma * data))
    }
    let times: [Double] = [1.0 / 6, 0.5, 5.0 / 6]
    let told: [Double] = times.map { 1000 * $0 }
    try compare(FlowProcess(), told) { k, x0, noise in
      let t = times[k]
      let x: Double = (1 - t) * x0 + t * noise
      return (x: x, target: noise - x0)
    }
  }

  private func normals(_ count: Int, _ stream: RandomStream) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { values, initialized in
      stream.fillNormal(UnsafeMutableBufferPointer(rebasing: values[..<count]))
      initialized = count
    }
  }

  @Test func aModelThatGivesNoNumbersIsTold() throws {
    let error = #expect(throws: EvaluationError.self) {
      try scores(try evaluation(Self.cases[1], slope: { _ in .nan }))
    }
    #expect(error?.description.contains("prediction at timestep 0 holds NaN") == true)
  }
}
