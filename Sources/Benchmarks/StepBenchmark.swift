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

/// Times training steps on images of noise, as all ranks of a communicator compute them: forward and backward pass,
/// sum over the ranks, update of weights, moments and average. No dataset is read and nothing is written.
public final class StepBenchmark {
  public let configuration: TrainingConfiguration
  /// [H, W, C].
  public let imageShape: [Int]
  public let threads: Int
  private let communicator: Communicator
  private let step: TrainingStep
  private let batch: Loader.Batch

  /// Steps before the ones that count: in the first, memory is touched for the first time.
  private static let warmUpSteps = 2

  /// - Parameter isOneOfMany: whether to do what one of many ranks does, even if there is only this one.
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
      try model.requireNoContext()
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
    let plan = configuration.training.bucketPlan(layout, worldSize: communicator.size)
    step = try TrainingStep(
      configuration,
      task: configuration.adapting(
        configuration.trainingTask(
          imageShape: imageShape, control: Self.control(configuration, weights: base?.memory)),
        weights: base?.memory),
      state: ShardedState(configuration, layout: layout, plan: plan, rank: communicator.rank),
      plan: plan,
      assignment: assignment, engine: Engine(threadCount: threads), communicator: communicator, sum: sum,
      mayDefer: !isOneOfMany)
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

  /// Runs `steps` steps after some that do not count. Collective.
  ///
  /// - Parameter isProfiled: whether to measure each operation too, which takes some microseconds each.
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
    // Who computes longest waits for nothing but the wire.
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
      ranks: communicator.size, threads: threads, parameters: step.state.layout.valueCount,
      communicationWaitSeconds: try communicator.allReduce(wait, .sum) / Double(communicator.size),
      exposedCommunicationSeconds: exposed, peakFlopsPerSecond: peak, profile: profile)
  }

  /// Seconds of `steps` steps after one that does not count, with nothing under way in the end. Collective.
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

  /// Returns the seconds that this rank has waited for weights, and for gradients.
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

/// What `StepBenchmark` found.
public struct StepMeasurement {
  /// Of each step.
  public let stepSeconds: [Double]
  public let batchSize: Int
  /// Forward and backward, counting convolutions by their definition.
  public let flopsPerImage: Int
  /// Of the largest rank.
  public let peakResidentBytes: Int
  public let ranks: Int
  /// Of each rank.
  public let threads: Int
  public let parameters: Int
  /// What a rank waits in a step for gradients and weights of others, on average.
  public let communicationWaitSeconds: Double
  /// The same of whichever rank waits least for weights, and for gradients: what the wire costs, without what ranks wait
  /// for slower ones.
  public let exposedCommunicationSeconds: Double
  /// What the threads of all ranks can do.
  public let peakFlopsPerSecond: Double
  /// Of this rank.
  public let profile: Profile?

  public var medianSeconds: Double {
    let sorted = stepSeconds.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  public var imagesPerSecond: Double { Double(batchSize) / medianSeconds }
  public var flopsPerSecond: Double { Double(flopsPerImage) * imagesPerSecond }
}
