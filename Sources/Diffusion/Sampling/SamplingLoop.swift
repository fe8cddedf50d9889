import Kernels
import Randomness

/// Samples images according to a plan. Image i depends on the seed and i alone, not on the images sampled with it, nor
/// on ranks or threads.
public struct SamplingLoop: Sendable {
  public let plan: SamplingPlan
  public let seed: UInt64
  /// Replaces a step's noise, given the number of steps remaining after it; for comparisons with other implementations.
  package var stepNoise: (@Sendable (_ remaining: Int) -> [Float])?

  public init(_ plan: SamplingPlan, seed: UInt64) {
    self.plan = plan
    self.seed = seed
  }

  /// The state of the images during sampling.
  public struct Progress {
    /// Evaluations completed, out of `plan.evaluations.count`.
    public let done: Int
    /// The current images [n, H, W, C], initially with about unit variance.
    public let images: [Float]
  }

  /// The network: returns outputs [n, H, W, C · outputsPerChannel], or twice n of them if the pass requires it.
  ///
  /// - Parameters:
  ///   - x: [n, H, W, C].
  ///   - timestep: the network's timestep input for all images; fractional for some samplers.
  public typealias Network = (
    _ x: UnsafeBufferPointer<Float>, _ timestep: Float, _ pass: GuidancePass
  ) throws -> [Float]

  /// Samples images x_0 [n, H, W, C], roughly in the range of the training data.
  ///
  /// - Parameters:
  ///   - shape: [H, W, C].
  ///   - samples: the indices of the n images.
  ///   - start: what sampling starts from.
  ///   - onStep: called after each evaluation.
  public func sample(
    shape: [Int], samples: Range<Int>, threads: ThreadPool, start: SamplingStart = .noise,
    onStep: (Progress) throws -> Void = { _ in }, predict: Network
  ) rethrows -> [Float] {
    let (count, size, channels) = (samples.count, shape.reduce(1, *), shape[shape.count - 1])
    let evaluations = plan.evaluations
    let first = start.firstEvaluation(of: plan)
    var x = beginning(start, at: evaluations[first], samples, size, threads)
    var sampler = plan.makeSampler()
    for index in first..<evaluations.count {
      let evaluation = evaluations[index]
      let step = plan.steps - 1 - evaluation.step
      let context = StepContext(threads: threads) {
        stepNoise?(step) ?? noise(.samplerNoise, step: step, samples, size, threads)
      }
      if evaluation.churn > 0 {
        x = LinearCombination.of([(1, x), (evaluation.churn, context.freshNoise())], threads: threads)
      }
      let readout = plan.process.readout(at: evaluation.point)
      let output = try outputs(
        x, readout, evaluation.point, images: count, channels: channels, threads, predict)
      let estimate = estimate(x, readout, output, sampler.needs, size: size, channels: channels, threads)
      sampler.advance(&x, from: index, with: estimate, in: context)
      if start.mask != nil {
        // Where the mask is 0, the result is the exact image, even if the last step leaves some noise.
        let end = index + 1 < evaluations.count ? evaluation.next : .image
        keep(start, &x, at: end, samples, size, threads)
      }
      try onStep(Progress(done: index + 1 - first, images: shown(x, at: evaluation.next, threads)))
    }
    return x
  }

  /// The outputs of an evaluation after guidance: [n, pixels, C · outputsPerChannel].
  private func outputs(
    _ x: [Float], _ readout: Readout, _ point: PathPoint, images: Int, channels: Int, _ threads: ThreadPool,
    _ predict: Network
  ) rethrows -> [Float] {
    let input =
      Float(readout.inputScale) == 1
      ? x : LinearCombination.of([(readout.inputScale, x)], threads: threads)
    let pass = plan.guidance.pass(at: point)
    let output = try input.withUnsafeBufferPointer { try predict($0, Float(point.timestep), pass) }
    let perChannel = plan.process.outputsPerChannel
    let passes = pass == .conditional ? 1 : 2
    precondition(
      output.count == x.count * perChannel * passes,
      "\(output.count) outputs for \(x.count) values, \(perChannel) a channel and \(passes) passes")
    guard pass == .conditionalAndUnconditional else { return output }
    return plan.guidance.combine(
      output, images: images, predicted: { $0 % (channels * perChannel) < channels }, threads: threads)
  }

  private func estimate(
    _ x: [Float], _ readout: Readout, _ output: [Float], _ needs: EstimateNeeds, size: Int, channels: Int,
    _ threads: ThreadPool
  ) -> Estimate {
    var (prediction, variance) = (output, [Float]())
    if plan.process.outputsPerChannel > 1 {
      prediction = Self.channels(0..<channels, of: 2 * channels, output)
      variance = Self.channels(channels..<2 * channels, of: 2 * channels, output)
    }
    func read(_ ofX: Double, _ ofOutput: Double) -> [Float] {
      // An output that already is the estimate is passed through unchanged.
      ofX == 0 && ofOutput == 1
        ? prediction : LinearCombination.of([(ofX, x), (ofOutput, prediction)], threads: threads)
    }
    let noise = needs.contains(.noise) ? read(readout.noiseFromX, readout.noiseFromOutput) : []
    var image = needs.contains(.image) ? read(readout.imageFromX, readout.imageFromOutput) : []
    plan.clipping.apply(to: &image, size: size, threads: threads)
    return Estimate(image: image, noise: noise, variance: variance)
  }

  private static func channels(_ chosen: Range<Int>, of count: Int, _ values: [Float]) -> [Float] {
    var result = [Float]()
    result.reserveCapacity(values.count / count * chosen.count)
    for pixel in 0..<values.count / count {
      result += values[pixel * count + chosen.lowerBound..<pixel * count + chosen.upperBound]
    }
    return result
  }

  /// Scaled so that image and noise together have unit variance.
  private func shown(_ x: [Float], at point: PathPoint, _ threads: ThreadPool) -> [Float] {
    let squares = point.signal * point.signal + point.noise * point.noise
    return point.signal == 1 && point.noise > 0
      ? LinearCombination.of([(1 / squares.squareRoot(), x)], threads: threads) : x
  }

  private func noise(
    _ purpose: Purpose, step: Int = 0, _ samples: Range<Int>, _ size: Int, _ threads: ThreadPool
  ) -> [Float] {
    let count = samples.count * size
    return [Float](unsafeUninitializedCapacity: count) { values, initialized in
      let values = UnsafeMutableBufferPointer(rebasing: values[..<count])
      threads.parallel(samples.count) { place, _ in
        RandomStream(seed: seed, purpose: purpose, step: step, sample: samples.lowerBound + place)
          .fillNormal(UnsafeMutableBufferPointer(rebasing: values[place * size..<(place + 1) * size]))
      }
      initialized = count
    }
  }

  private func beginning(
    _ start: SamplingStart, at evaluation: Evaluation, _ samples: Range<Int>, _ size: Int,
    _ threads: ThreadPool
  ) -> [Float] {
    switch start {
    case .image(let image, let strength, let mask, _) where mask == nil || strength < 1:
      precondition(
        image.count == samples.count * size, "\(image.count) values of images for \(samples.count * size)")
      // Churn raises an evaluation's noise level; x starts at the level of its step.
      return noisy(image, start, at: plan.path.points[evaluation.step], samples, size, threads)
    case .noise, .latents, .image:
      let x = firstNoise(start, samples, size, threads)
      return plan.path.startScale == 1
        ? x : LinearCombination.of([(plan.path.startScale, x)], threads: threads)
    }
  }

  /// Noise of unit variance: given by the caller, or drawn by (seed, image).
  private func firstNoise(
    _ start: SamplingStart, _ samples: Range<Int>, _ size: Int, _ threads: ThreadPool
  ) -> [Float] {
    guard let given = start.givenNoise else { return noise(.samplerStart, samples, size, threads) }
    precondition(
      given.count == samples.count * size, "\(given.count) latents for \(samples.count * size) values")
    return given
  }

  /// Images with their initial noise, at the noise level of `point`.
  private func noisy(
    _ image: [Float], _ start: SamplingStart, at point: PathPoint, _ samples: Range<Int>, _ size: Int,
    _ threads: ThreadPool
  ) -> [Float] {
    guard point.noise != 0 else { return image }
    return LinearCombination.of(
      [(point.signal, image), (point.noise, firstNoise(start, samples, size, threads))], threads: threads)
  }

  /// Keeps x where the mask is 1, and replaces it with the image at x's current noise level where the mask is 0.
  private func keep(
    _ start: SamplingStart, _ x: inout [Float], at point: PathPoint, _ samples: Range<Int>, _ size: Int,
    _ threads: ThreadPool
  ) {
    guard case .image(let image, _, let mask?, _) = start else { return }
    precondition(mask.count == x.count, "a mask of \(mask.count) values for \(x.count)")
    let noisy = noisy(image, start, at: point, samples, size, threads)
    for index in x.indices { x[index] = mask[index] * x[index] + (1 - mask[index]) * noisy[index] }
  }
}

/// What sampling starts from.
public enum SamplingStart: Sendable {
  /// Noise drawn by (seed, image).
  case noise
  /// Noise of unit variance given by the caller [n, H, W, C].
  case latents([Float])
  /// Images [n, H, W, C] with noise added up to the step at which a fraction `strength`, in (0, 1], of the steps
  /// remains (Meng et al., 2022, "SDEdit"). Where a mask [n, H, W, C] is 0, the image is kept; where it is 1, it is
  /// sampled anew, at strength 1 from noise alone. `noise`, of unit variance, replaces the noise drawn by (seed,
  /// image).
  case image([Float], strength: Double, mask: [Float]? = nil, noise: [Float]? = nil)

  var mask: [Float]? { if case .image(_, _, let mask, _) = self { mask } else { nil } }

  var givenNoise: [Float]? {
    switch self {
    case .noise: nil
    case .latents(let noise): noise
    case .image(_, _, _, let noise): noise
    }
  }

  func firstEvaluation(of plan: SamplingPlan) -> Int {
    guard case .image(_, let strength, _, _) = self else { return 0 }
    return plan.firstEvaluation(strength: strength)
  }
}

extension SamplingPlan {
  /// The first evaluation for images that are sampled from other images.
  ///
  /// - Parameter strength: the fraction of the steps performed, in (0, 1]; at least one step is.
  public func firstEvaluation(strength: Double) -> Int {
    precondition(strength > 0 && strength <= 1, "a strength of \(strength)")
    let kept = min(max(Int(Double(steps) * strength), 1), steps)
    return evaluations.firstIndex { $0.step == steps - kept } ?? 0
  }
}
