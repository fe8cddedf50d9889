import Checkpoints
import Configuration
import DataParallel
import Datasets
import Kernels
import Randomness
import Tasks
import Tensors
import Training
import TrainingTestSupport

/// A training step as one would write it down: one process computes the gradients of all micro-batches, adds them up,
/// and hands the sum to the optimiser.
struct PlainStep {
  static let batchSize = 8
  private static let imageShape = [16, 16, 1]

  let engine = Engine(threadCount: 2)
  let task: any TrainingTask
  let state: ShardedState
  private let optimizer: Optimizer
  private let microbatches: Int

  init(_ configuration: TrainingConfiguration) {
    let layout = configuration.model.parameters
    microbatches = configuration.training.microbatches
    task = configuration.trainingTask(imageShape: Self.imageShape)
    state = ShardedState(
      configuration, layout: layout,
      plan: BucketPlan(count: layout.flatCount, bucketSize: 1 << 20, worldSize: 1),
      rank: 0)
    optimizer = Optimizer(configuration.optimizer, averages: configuration.ema, layout: layout)
  }

  /// The images of a step's batch [B, H, W, C].
  static func images(step: Int, isFinite: Bool) -> [Float] {
    let count = batchSize * imageShape.reduce(1, *)
    var images = [Float](unsafeUninitializedCapacity: count) { values, filled in
      RandomStream(seed: 5, purpose: .shapes, step: step, sample: 0)
        .fillNormal(UnsafeMutableBufferPointer(rebasing: values[..<count]))
      filled = count
    }
    // Of one rank's only.
    if !isFinite { images[count - 1] = .nan }
    return images
  }

  /// The part of a step's batch that a rank has.
  static func batch(_ images: [Float], samples: Range<Int>, step: Int) -> Loader.Batch {
    let size = imageShape.reduce(1, *)
    return Loader.Batch(
      step: step, images: Array(images[samples.lowerBound * size..<samples.upperBound * size]),
      shape: imageShape, labels: [Int32](repeating: -1, count: samples.count))
  }

  /// Makes the step, unless something in it is non-finite.
  ///
  /// - Returns: the mean loss, and the length of the mean gradient.
  func callAsFunction(_ images: [Float]) throws -> (loss: Double, gradientNorm: Double) {
    let batch = Self.batch(images, samples: 0..<Self.batchSize, step: state.step)
    let size = Self.batchSize / microbatches
    var losses: [Double] = []
    var branches: [ParameterBuffer] = []
    let sum = ParameterBuffer(count: state.layout.flatCount)
    try ReductionTree.sum(0..<microbatches, into: sum, branches: &branches, threads: engine.threads) {
      microbatch, gradient in
      let places = microbatch * size..<(microbatch + 1) * size
      let tape = Tape(engine: engine, weights: state.weights, gradients: gradient)
      let loss = task.losses(
        of: TaskInput(batch: batch, places: places, samples: places, step: state.step), on: tape)
      tape.clearUnusedGradients(of: state.layout.parameters)
      try tape.backward(from: loss.total)
      losses.append(loss.total.value)
    }
    let loss = ReductionTree.sum(losses) / Double(microbatches)
    let squares = state.layout.trained.flatMap { parameter in
      (0..<parameter.count).map { Double(sum.elements[parameter.offset + $0]) }
    }.reduce(0) { $0 + $1 * $1 }
    let norm = squares.squareRoot() / Double(microbatches)
    if loss.isFinite && norm.isFinite {
      optimizer.update(
        state, gradient: sum, microbatches: microbatches, norms: [norm], threads: engine.threads)
      optimizer.followWithFurtherAverages(state, threads: engine.threads)
    } else {
      state.step += 1
    }
    return (loss, norm)
  }
}
