import Checkpoints
import Configuration
import DataParallel
import Datasets
import Foundation
import Kernels
import MPI
import Randomness
import Reporting
import Tasks
import Tensors
import Training

/// Times training steps on random images, as computed by all ranks of a communicator: forward and backward pass, sum
/// over the ranks, and update of weights, moments and average. Reads no dataset and writes no files.
public final class StepBenchmark {
  public let configuration: TrainingConfiguration
  /// [H, W, C].
  public let imageShape: [Int]
  public let threads: Int
  private let communicator: Communicator
  private let step: TrainingStep
  private let batch: Loader.Batch

  /// Warm-up steps that are not measured: the first touches memory for the first time.
  private static let warmUpSteps = 2

  /// - Parameter isOneOfMany: whether a single rank does the work that it would do as one of many.
  /// - Throws: `MicrobatchError`.
  public convenience init(
    _ configuration: TrainingConfiguration, imageShape: [Int], threads: Int, communicator: Communicator,
    isOneOfMany: Bool = false
  ) throws {
    try self.init(
      configuration, imageShape: imageShape, threads: threads, communicator: communicator, sum: .exchange,
      isOneOfMany: isOneOfMany)
  }

  init(
    _ configuration: TrainingConfiguration, imageShape: [Int], threads: Int, communicator: Communicator,
    sum: TrainingStep.Sum, isOneOfMany: Bool = false
  ) throws {
    var classCount = 1
    if let model = configuration.model.denoiser {
      classCount = model.classes?.count ?? 1
    }
    let assignment = try MicrobatchAssignment(
      batchSize: configuration.training.batchSize, microbatches: configuration.training.microbatches,
      rank: communicator.rank, worldSize: communicator.size)
    let (seed, size) = (configuration.training.seed, imageShape.reduce(1, *))
    let images = [Float](unsafeUninitializedCapacity: assignment.ownSamples.count * size) { buffer, count in
      for (place, sample) in assignment.ownSamples.enumerated() {
        RandomStream(seed: seed, purpose: .samplerStart, sample: sample)
          .fillUniform(
            UnsafeMutableBufferPointer(rebasing: buffer[place * size..<(place + 1) * size]), low: -1, high: 1)
      }
      count = buffer.count
    }
    batch = Loader.Batch(
      step: 0, images: images, shape: imageShape,
      labels: assignment.ownSamples.map { [classCount] in Int32($0 % classCount) },
      captions: assignment.ownSamples.map { _ in "" },
      condition: Self.condition(configuration, imageShape, count: assignment.ownSamples.count))
    self.configuration = configuration
    self.imageShape = imageShape
    self.threads = threads
    self.communicator = communicator
    let layout = configuration.trainedParameters
    let base = try configuration.frozenParameters.map { frozen in
      try FrozenWeights(count: frozen.flatCount, on: communicator) {
        $0.copy(from: frozen.initialWeights(seed: seed))
      }
    }
    let encoder = try configuration.adapter?.text.map { text in
      let layout = text.encoder.parameters
      let weights = try FrozenWeights(count: layout.flatCount, on: communicator) {
        $0.copy(from: layout.initialWeights(seed: seed))
      }
      return BoundParameters(layout.set, weights: weights.memory)
    }
    let plan = configuration.training.bucketPlan(layout, worldSize: communicator.size)
    step = try TrainingStep(
      configuration,
      task: configuration.adapting(
        configuration.trainingTask(
          imageShape: imageShape, captions: Self.captions(configuration),
          control: Self.control(configuration, weights: base?.memory)),
        weights: base?.memory, encoder: encoder),
      state: ShardedState(configuration, layout: layout, plan: plan, rank: communicator.rank),
      plan: plan,
      assignment: assignment, engine: Engine(threadCount: threads), communicator: communicator, sum: sum,
      mayDefer: !isOneOfMany)
  }

  /// A context of random numbers, or of a text encoder that is trained, for a denoiser that attends to text; nil for
  /// others.
  private static func captions(_ configuration: TrainingConfiguration) -> CaptionConditioning? {
    if let encoder = configuration.adapter?.text?.encoder
      ?? configuration.task.diffusion?.trainedText?.encoder
    {
      return CaptionConditioning(dropout: 0) { texts, tape in
        let tokens = [Int](repeating: 0, count: encoder.tokenLimit)
        return encoder(texts.map { _ in tokens }, on: tape).tokens
      }
    }
    guard let width = configuration.model.denoiser?.contextWidth else { return nil }
    let context = RandomContext(width: width)
    return CaptionConditioning(shape: context.shape, dropout: 0) { _, _ in context.values }
  }

  /// What a control network sees: nothing, as far as arithmetic is concerned; nil if there is none.
  private static func condition(
    _ configuration: TrainingConfiguration, _ imageShape: [Int], count: Int
  ) -> FieldBatch? {
    guard case .control(let section) = configuration.task else { return nil }
    let sides = imageShape.prefix(2).map { $0 * section.network.conditionScale }
    let shape = sides + [section.network.conditionChannels]
    return FieldBatch(
      field: Field(name: conditionName, type: .float32, shape: shape, role: .condition),
      values: .float([Float](repeating: 0, count: shape.reduce(count, *))))
  }

  private static let conditionName = "condition"

  private static func control(
    _ configuration: TrainingConfiguration, weights: ParameterBuffer?
  ) -> ControlConditioning? {
    guard case .control(let section) = configuration.task, let weights else { return nil }
    return ControlConditioning(
      section.network, weights: weights, field: conditionName, dropout: section.dropout)
  }

  /// Runs `steps` steps after the warm-up. Collective.
  ///
  /// - Parameter isProfiled: whether to measure each operation as well, which costs some microseconds per operation.
  /// - Throws: `MPIError`.
  public func run(steps: Int, isProfiled: Bool = false) throws -> StepMeasurement {
    let account = Profile()
    for index in 0..<Self.warmUpSteps {
      step.profile = index == 0 ? account : nil
      try runStep()
    }
    try step.exchange.finishGathering()
    try communicator.barrier()
    // All ranks' clocks start here.
    let profile = isProfiled ? Profile() : nil
    step.profile = profile
    step.communicationWait = 0
    var waits: [Double] = []
    let ownSeconds = try (0..<steps).map { _ in
      let watch = Stopwatch()
      waits += try profile.measure("step", .group) { try runStep() }
      return watch.seconds
    }
    let wait = step.communicationWait / Double(steps)
    step.profile = nil
    try step.exchange.finishGathering()
    // The rank that computes longest waits only for the network.
    let exposed = try communicator.allReduce(waits, .min).reduce(0, +) / Double(steps)
    // A step takes as long as its slowest rank.
    let seconds = try communicator.allReduce(ownSeconds, .max)
    try communicator.barrier()
    let peak = try communicator.allReduce(
      PeakArithmetic.flopsPerSecond(pool: step.engine.threads), .sum)
    return StepMeasurement(
      stepSeconds: seconds, batchSize: configuration.training.batchSize,
      flopsPerImage: account.flops / step.assignment.ownSamples.count,
      peakResidentBytes: try communicator.allReduce(ProcessMemory.peakResidentBytes, .max),
      ranks: communicator.size, threads: threads, precision: configuration.training.precision,
      parameters: step.state.layout.valueCount,
      communicationWaitSeconds: try communicator.allReduce(wait, .sum) / Double(communicator.size),
      exposedCommunicationSeconds: exposed, peakFlopsPerSecond: peak, profile: profile)
  }

  /// Seconds of each of `steps` steps, after one warm-up step; no transfer is left in flight at the end. Collective.
  ///
  /// - Throws: `MPIError`.
  func seconds(steps: Int) throws -> [Double] {
    try runStep()
    let seconds = try (0..<steps).map { _ in
      let watch = Stopwatch()
      try runStep()
      return watch.seconds
    }
    try step.exchange.finishGathering()
    return try communicator.allReduce(seconds, .max)
  }

  /// Returns the seconds that this rank has waited for weights and for gradients.
  @discardableResult private func runStep() throws -> [Double] {
    let start = step.communicationWait
    let own = try step.sumGradients(batch).totals
    let middle = step.communicationWait
    try step.sumOverRanks()
    let waits = [middle - start, step.communicationWait - middle]
    let losses = try communicator.allGather(own).flatMap { $0 }
    _ = try step.update(loss: ReductionTree.sum(losses) / Double(losses.count))
    return waits
  }
}

/// The result of `StepBenchmark`.
public struct StepMeasurement {
  /// Duration of each step.
  public let stepSeconds: [Double]
  public let batchSize: Int
  /// Forward and backward pass, counting convolutions by their definition.
  public let flopsPerImage: Int
  /// The maximum over all ranks.
  public let peakResidentBytes: Int
  public let ranks: Int
  /// Threads per rank.
  public let threads: Int
  public let precision: ProductPrecision
  public let parameters: Int
  /// Mean time per step that a rank waits for other ranks' gradients and weights.
  public let communicationWaitSeconds: Double
  /// The minimum over the ranks of the wait for weights, plus that for gradients: the cost of the network alone,
  /// without waiting for slower ranks.
  public let exposedCommunicationSeconds: Double
  /// Peak performance of all ranks' threads together.
  public let peakFlopsPerSecond: Double
  /// This rank's profile.
  public let profile: Profile?

  public var medianSeconds: Double {
    let sorted = stepSeconds.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  public var imagesPerSecond: Double { Double(batchSize) / medianSeconds }
  public var flopsPerSecond: Double { Double(flopsPerImage) * imagesPerSecond }
}
