import DataParallel
import Datasets
import Kernels
import Layers
import NumericsTestSupport
import Tasks
import Tensors
import Testing
import Training

/// A task whose gradients are known: the loss of sample x is w · x + s(x), with the sum of its other values as a part.
private struct LinearTask: TrainingTask {
  let parameters: ParameterLayout
  let layer: Linear
  let width: Int

  init(width: Int) {
    self.width = width
    let builder = ParameterBuilder("linear")
    layer = Linear(builder["layer"], width, 1)
    parameters = builder.layout
  }

  var lossNames: [String] { ["offset"] }

  func losses(of input: TaskInput, on tape: Tape) -> TaskLosses {
    let count = input.places.count
    let x = tape.input([count, width])
    _ = x.elements.update(
      fromContentsOf: input.batch.images[
        input.places.lowerBound * width..<input.places.upperBound * width])
    let y = layer(x)
    let gradient = tape.engine.storage(count)
    gradient.elements.update(repeating: 1 / Float(count))
    let mean = y.elements.reduce(0.0) { $0 + Double($1) } / Double(count)
    return TaskLosses(
      total: y.loss(value: mean, gradient: gradient), parts: [Double(input.samples.lowerBound + input.step)])
  }
}

@Suite struct GradientAccumulationTests {
  private let width: Int
  private let task: LinearTask
  private let batch: Loader.Batch

  init() { self.init(width: 5) }

  private init(width: Int) {
    self.width = width
    task = LinearTask(width: width)
    batch = Loader.Batch(
      step: 3, images: normalValues(8 * width, seed: 4), shape: [width],
      labels: [Int32](repeating: -1, count: 8))
  }

  private struct Pass {
    var losses: GradientAccumulation.Losses
    var gradient: [Float]
    var buckets: [Int]
    /// The gradient in each bucket when it was said to be complete.
    var partsAtCompletion: [Int: [Float]]
    var plan: BucketPlan
  }

  private func pass(
    microbatches: Int, bucketSize: Int = 1 << 20, nonFinite: Int? = nil
  ) throws -> (Pass, [Int]) {
    let assignment = try MicrobatchAssignment(
      batchSize: 8, microbatches: microbatches, rank: 0, worldSize: 1)
    let engine = Engine(threadCount: 2)
    let plan = BucketPlan(count: task.parameters.flatCount, bucketSize: bucketSize, worldSize: 1)
    let weights = task.parameters.initialWeights(seed: 1)
    let gradient = ParameterBuffer(count: task.parameters.flatCount)
    let accumulation = GradientAccumulation(
      task, assignment, plan: plan, engine: engine, recomputes: false, defersGradients: false,
      arrival: nil
    ) { $0 == nonFinite }
    var buckets: [Int] = []
    var parts: [Int: [Float]] = [:]
    let (losses, deferred) = try accumulation.sum(batch, weights: weights, into: gradient, step: 3) {
      bucket, _ in
      buckets.append(bucket)
      parts[bucket] = Array(gradient.elements[plan.buckets[bucket]])
    } onOperation: {
    }
    #expect(deferred.all.isEmpty)
    let found = try accumulation.nonFiniteMicrobatches(
      batch, weights: weights, in: ParameterBuffer(count: gradient.count), step: 3)
    return (
      Pass(
        losses: losses, gradient: Array(gradient.elements), buckets: buckets, partsAtCompletion: parts,
        plan: plan), found
    )
  }

  /// The gradient of a mean is the mean of the samples; what is summed is one for each micro-batch.
  @Test(arguments: [1, 2, 4, 8]) func theSumIsThatOfTheMicrobatches(count: Int) throws {
    let (pass, nonFinite) = try pass(microbatches: count)
    #expect(pass.losses.totals.count == count && nonFinite.isEmpty)
    #expect(pass.losses.parts == (0..<count).map { [Double($0 * (8 / count) + 3)] })
    for column in 0..<width {
      let mean = (0..<8).reduce(0.0) { $0 + Double(batch.images[$1 * width + column]) } / 8
      #expect(abs(Double(pass.gradient[column]) - Double(count) * mean) < 1e-5)
    }
    // The bias's gradient is 1 in each micro-batch.
    #expect(pass.gradient[16] == Float(count))
  }

  /// Each bucket once, and with its final values.
  @Test(arguments: [1, 4]) func bucketsAreCompleteWhenTheyAreSaidToBe(count: Int) throws {
    // More than fit in one bucket.
    let wide = GradientAccumulationTests(width: 3 * BucketPlan.granularity)
    let (pass, _) = try wide.pass(microbatches: count, bucketSize: BucketPlan.granularity)
    #expect(pass.plan.buckets.count > 1 && pass.buckets.sorted() == Array(pass.plan.buckets.indices))
    for (bucket, values) in pass.partsAtCompletion {
      #expect(bitPatterns(values) == bitPatterns(Array(pass.gradient[pass.plan.buckets[bucket]])))
    }
  }

  @Test func microbatchesWithNonFiniteGradientsAreFound() throws {
    let (pass, nonFinite) = try pass(microbatches: 4, nonFinite: 2)
    #expect(nonFinite == [2] && pass.losses.totals.allSatisfy(\.isFinite))
    #expect(pass.gradient[0].isNaN)
  }
}

@Suite struct MeanLossesTests {
  @Test func meansFollowTheReductionTree() {
    let losses = MeanLosses([1, 10, 2, 20, 4, 40, 5, 90], microbatches: 4)
    #expect(losses.total == 3 && losses.parts == [40])
  }

  @Test func aLossWithoutPartsHasNone() {
    let losses = MeanLosses([0.1, 0.2, 0.3], microbatches: 3)
    #expect(losses.total == ReductionTree.sum([0.1, 0.2, 0.3]) / 3 && losses.parts.isEmpty)
  }
}
