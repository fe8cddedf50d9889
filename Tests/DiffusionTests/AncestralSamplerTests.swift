import Diffusion
import NumericsTestSupport
import Synchronization
import Tensors
import Testing

@Suite struct AncestralSamplerTests {
  private let process = DiffusionProcess(schedule: NoiseSchedule(.linear, timesteps: 300))

  /// A model that knows x_0, which is `value` everywhere: ε = (x_t - sqrt(ᾱ_t) x_0) / sqrt(1 - ᾱ_t).
  private func oracle(_ value: Double, _ schedule: NoiseSchedule) -> (Tensor, [Int]) -> Tensor {
    { x, timesteps in
      let epsilon = x.tape.input(x.shape)
      let size = x.count / timesteps.count
      for index in 0..<x.count {
        let cumulative = schedule.cumulativeAlphas[timesteps[index / size]]
        epsilon.elements[index] = Float(
          (Double(x.elements[index]) - cumulative.squareRoot() * value) / (1 - cumulative).squareRoot())
      }
      return epsilon
    }
  }

  private func sample(
    _ sampler: AncestralSampler, _ samples: Range<Int>, size: Int = 12, threads: Int = 1,
    onStep: (Int, UnsafeBufferPointer<Float>) throws -> Void = { _, _ in },
    predict: (Tensor, [Int]) -> Tensor
  ) throws -> [Float] {
    try sampler.sample(
      shape: [size, 1, 1], samples: samples, engine: Engine(threadCount: threads), predict: predict,
      weights: ParameterBuffer(count: 0), onStep: onStep)
  }

  /// Whatever noise is added on the way, the last step removes what is left of it.
  @Test(arguments: [nil, 1, 2, 10, 300]) func chainEndsAtTheImageThatTheModelKnows(steps: Int?) throws {
    let sampler = AncestralSampler(process: process, steps: steps, seed: 1)
    #expect(sampler.steps == steps ?? 300)
    let images = try sample(sampler, 0..<3, predict: oracle(0.4, process.schedule))
    #expect(images.count == 36)
    #expect(images.allSatisfy { abs($0 - 0.4) < 1e-4 })
  }

  /// Each step is a draw from q(x_{t-1} | x_t, x_0) (Ho et al., 2020, equations 6 and 7), whose mean is
  /// c0 x_0 + ct x_t: so mean and variance follow a recursion, from those of pure noise.
  @Test(arguments: [300, 20]) func stepsHaveThePosteriorsMoments(steps: Int) throws {
    let schedule = process.schedule.respaced(to: steps)
    let x0 = 0.6
    var (mean, variance) = (0.0, 1.0)
    let count = 20_000
    _ = try sample(
      AncestralSampler(process: process, steps: steps, seed: 2), 0..<1, size: count, threads: 2,
      onStep: { done, images in
        let t = steps - done
        let (now, before) = (schedule.cumulativeAlphas[t], schedule.previousCumulativeAlpha(t))
        let c0 = before.squareRoot() * schedule.betas[t] / (1 - now)
        let ct = (1 - schedule.betas[t]).squareRoot() * (1 - before) / (1 - now)
        mean = c0 * x0 + ct * mean
        variance = ct * ct * variance + schedule.posteriorVariance(t)
        let values = images.map(Double.init)
        let found = values.reduce(0, +) / Double(count)
        let spread = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        #expect(abs(found - mean) < 5 * (variance / Double(count)).squareRoot() + 1e-5, "step \(done)")
        #expect(
          abs(spread - variance) < 5 * variance * (2 / Double(count)).squareRoot() + 1e-9, "step \(done)")
      }, predict: oracle(x0, process.schedule))
    #expect(abs(mean - x0) < 1e-9 && variance < 1e-9)
  }

  /// The model is told the timesteps of the schedule that it was trained on, from the last to the first.
  @Test func modelSeesItsTimesteps() throws {
    let seen = Mutex([[Int]]())
    let done = Mutex([Int]())
    _ = try sample(
      AncestralSampler(process: process, steps: 4, seed: 1), 0..<2,
      onStep: { step, _ in done.withLock { $0.append(step) } }
    ) { x, timesteps in
      seen.withLock { $0.append(timesteps) }
      return x.tape.zeros(x.shape)
    }
    #expect(seen.withLock { $0 } == [[299, 299], [224, 224], [149, 149], [74, 74]])
    #expect(done.withLock { $0 } == [1, 2, 3, 4])
  }

  /// Image i depends on the seed and on i: not on the images with it, nor on the threads.
  @Test func imagesDependOnTheirNumberAlone() throws {
    let sampler = AncestralSampler(process: process, steps: 10, seed: 5)
    func predict(_ x: Tensor, _ timesteps: [Int]) -> Tensor { x.silu() }
    let all = try sample(sampler, 0..<6, predict: predict)
    #expect(try bitPatterns(sample(sampler, 2..<4, predict: predict)) == bitPatterns(Array(all[24..<48])))
    for threads in comparedThreadCounts {
      #expect(try bitPatterns(sample(sampler, 0..<6, threads: threads, predict: predict)) == bitPatterns(all))
    }
    #expect(Set(bitPatterns(all)).count > 60)
    #expect(
      try sample(AncestralSampler(process: process, steps: 10, seed: 6), 0..<6, predict: predict) != all)
  }

  private struct Stop: Error {}

  @Test func aStepMayThrow() {
    #expect(throws: Stop.self) {
      try sample(
        AncestralSampler(process: process, steps: 5, seed: 1), 0..<1,
        onStep: { done, _ in if done == 3 { throw Stop() } }, predict: { x, _ in x.tape.zeros(x.shape) })
    }
  }
}
