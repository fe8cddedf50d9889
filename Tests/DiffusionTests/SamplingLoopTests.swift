import Diffusion
import Foundation
import Kernels
import NumericsTestSupport
import Randomness
import Settings
import Synchronization
import Testing

@Suite struct SamplingLoopTests {
  private let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 300))

  private func loop(
    _ sampler: SamplerKind? = nil, steps: Int? = nil, seed: UInt64 = 1,
    process: (any DiffusionProcess)? = nil,
    _ change: (inout SamplingOptions) -> Void = { _ in }
  ) throws -> SamplingLoop {
    var options = SamplingOptions(sampler: sampler, steps: steps)
    change(&options)
    return SamplingLoop(try SamplingPlan(process: process ?? self.process, options: options), seed: seed)
  }

  private func sample(
    _ loop: SamplingLoop, _ samples: Range<Int>, shape: [Int] = [4, 3, 1], threads: Int = 1,
    start: SamplingStart = .noise, onStep: (SamplingLoop.Progress) throws -> Void = { _ in },
    predict: SamplingLoop.Network
  ) throws -> [Float] {
    try loop.sample(
      shape: shape, samples: samples, threads: ThreadPool(threadCount: threads), start: start, onStep: onStep,
      predict: predict)
  }

  private static func smooth(
    _ x: UnsafeBufferPointer<Float>, _ timestep: Float, _ pass: GuidancePass
  ) -> [Float] {
    let conditional = x.map { sin(2 * $0 + timestep / 100) }
    return pass == .conditional ? conditional : conditional + x.map { cos($0) * 0.5 }
  }

  /// Ho et al. (2020), algorithm 2, as this project has always computed it: the bits of every image that was drawn with
  /// it stay.
  @Test(
    arguments: [
      (NoiseSchedule.Kind.linear, nil), (.cosine, 7), (.quadratic, 299), (.sigmoid, 20),
    ] as [(NoiseSchedule.Kind, Int?)])
  func ancestralSamplingKeepsItsBits(kind: NoiseSchedule.Kind, steps: Int?) throws {
    let whole = NoiseSchedule(kind, timesteps: 300)
    let schedule = whole.respaced(to: steps ?? 300)
    var x = [Float](repeating: 0, count: 12)
    x.withUnsafeMutableBufferPointer {
      RandomStream(seed: 8, purpose: .samplerStart, sample: 5).fillNormal($0)
    }
    for t in (0..<schedule.timesteps).reversed() {
      let epsilon = x.withUnsafeBufferPointer {
        Self.smooth($0, Float(schedule.modelTimesteps[t]), .conditional)
      }
      let beta = schedule.betas[t]
      let scale = Float(1 / (1 - beta).squareRoot())
      let share = Float(beta / (1 - schedule.cumulativeAlphas[t]).squareRoot())
      for index in x.indices { x[index] = scale * (x[index] - share * epsilon[index]) }
      guard t > 0 else { continue }
      let deviation = Float(schedule.posteriorVariance(t).squareRoot())
      var z = [Float](repeating: 0, count: 12)
      z.withUnsafeMutableBufferPointer {
        RandomStream(seed: 8, purpose: .samplerNoise, step: t, sample: 5).fillNormal($0)
      }
      for index in x.indices { x[index] += deviation * z[index] }
    }
    let loop = try loop(steps: steps, seed: 8, process: DDPMProcess(schedule: whole))
    let images = try sample(loop, 4..<7, threads: 2, predict: Self.smooth)
    #expect(bitPatterns(Array(images[12..<24])) == bitPatterns(x))
  }

  /// The model is told timesteps of its schedule, from the last to the first.
  @Test func modelSeesItsTimesteps() throws {
    let seen = Mutex([Float]())
    var done: [Int] = []
    _ = try sample(loop(steps: 4), 0..<2, onStep: { done.append($0.done) }) { x, timestep, _ in
      seen.withLock { $0.append(timestep) }
      return Array(x)
    }
    #expect(seen.withLock { $0 } == [299, 224, 149, 74])
    #expect(done == [1, 2, 3, 4])
  }

  /// Image i depends on the seed and on i: not on the images with it, nor on the threads.
  @Test(arguments: SamplerKind.allCases) func imagesDependOnTheirNumberAlone(sampler: SamplerKind) throws {
    let loop = try loop(sampler, steps: 6) {
      $0.guidance = Guidance(scale: 2.5, rescale: 0.6)
      $0.clip = .dynamic
      if sampler == .ddim { $0.eta = 0.5 }
      if sampler == .heun { $0.churn.amount = 2 }
    }
    let all = try sample(loop, 0..<6, predict: Self.smooth)
    #expect(all.allSatisfy(\.isFinite) && Set(bitPatterns(all)).count > 40)
    let part = try sample(loop, 2..<4, threads: 3, predict: Self.smooth)
    #expect(bitPatterns(part) == bitPatterns(Array(all[24..<48])))
    var other = SamplingLoop(loop.plan, seed: 2)
    #expect(try sample(other, 0..<6, predict: Self.smooth) != all)
    // The first noise alone, where a sampler adds none.
    other.stepNoise = { _ in [Float](repeating: 0, count: 72) }
    let isStochastic = ![.euler, .dpm2M, .unipc].contains(sampler)
    var quiet = loop
    quiet.stepNoise = other.stepNoise
    #expect(try (sample(quiet, 0..<6, predict: Self.smooth) != all) == isStochastic)
  }

  private struct Stop: Error {}

  @Test func aStepMayThrow() throws {
    let loop = try loop(steps: 5)
    #expect(throws: Stop.self) {
      try sample(loop, 0..<1, onStep: { if $0.done == 3 { throw Stop() } }) { x, _, _ in Array(x) }
    }
    #expect(throws: Stop.self) { try sample(loop, 0..<1) { _, _, _ in throw Stop() } }
  }

  /// u + w (c - u) of the outputs; both are asked for only where guidance counts.
  @Test func guidance() throws {
    let asked = Mutex([GuidancePass]())
    func predict(_ x: UnsafeBufferPointer<Float>, _: Float, _ pass: GuidancePass) -> [Float] {
      asked.withLock { $0.append(pass) }
      let conditional = x.map { $0 * 0.5 }
      return pass == .conditional ? conditional : conditional + x.map { $0 * 0.25 }
    }
    func guided(_ x: UnsafeBufferPointer<Float>, _: Float, _: GuidancePass) -> [Float] {
      x.map { $0 * 0.25 + 3 * ($0 * 0.5 - $0 * 0.25) }
    }
    let images = try sample(loop(.ddim, steps: 5) { $0.guidance.scale = 3 }, 0..<2, predict: predict)
    #expect(relativeError(of: images, from: try sample(loop(.ddim, steps: 5), 0..<2, predict: guided)) < 1e-5)
    #expect(asked.withLock { $0 } == [GuidancePass](repeating: .conditionalAndUnconditional, count: 5))
    asked.withLock { $0 = [] }
    let interval = try loop(.ddim, steps: 5) {
      $0.guidance = Guidance(scale: 3, interval: 0.3...1.5)
    }
    _ = try sample(interval, 0..<1, predict: predict)
    let levels = interval.plan.path.points.map { $0.noise / $0.signal }
    #expect(
      asked.withLock { $0 }
        == levels.map { (0.3...1.5).contains($0) ? .conditionalAndUnconditional : .conditional })
    #expect(Set(asked.withLock { $0 }).count == 2)
  }

  /// With φ = 1 a guided output has the deviation of the conditional one (Lin et al., 2024, equation 15).
  @Test func guidanceIsRescaled() throws {
    let seen = Mutex([[Float]]())
    let loop = try loop(
      .ddim, steps: 1, process: DDPMProcess(schedule: process.schedule, prediction: .sample)
    ) {
      $0.guidance = Guidance(scale: 7, rescale: 1)
    }
    let images = try sample(loop, 0..<2) { x, _, pass in
      let output = Self.smooth(x, 0, pass)
      seen.withLock { $0.append(output) }
      return output
    }
    func deviation(_ values: ArraySlice<Float>) -> Double {
      let mean = values.map(Double.init).reduce(0, +) / 12
      return (values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / 12).squareRoot()
    }
    let output = seen.withLock { $0[0] }
    for image in 0..<2 {
      let range = image * 12..<(image + 1) * 12
      #expect(abs(deviation(images[range]) - deviation(output[range])) < 1e-5)
    }
  }

  @Test func clipping() throws {
    let sampleProcess = DDPMProcess(schedule: process.schedule, prediction: .sample)
    func last(_ change: (inout SamplingOptions) -> Void) throws -> [Float] {
      try sample(
        loop(.ddim, steps: 1, process: sampleProcess, change), 0..<1, shape: [5, 1, 1]
      ) { _, _, _ in [-4, -0.5, 0, 1, 2] }
    }
    #expect(try last { _ in } == [-4, -0.5, 0, 1, 2])
    #expect(try last { $0.clip = .on } == [-1, -0.5, 0, 1, 1])
    #expect(try last { ($0.clip, $0.clipRange) = (.on, 1.5) } == [-1.5, -0.5, 0, 1, 1.5])
    // The quantile 0.75 of 0, 0.5, 1, 2, 4 is 2.
    #expect(try last { ($0.clip, $0.clipRatio) = (.dynamic, 0.75) } == [-1, -0.25, 0, 0.5, 1])
    // Below 1 nothing is stretched.
    #expect(try last { ($0.clip, $0.clipRatio) = (.dynamic, 0.1) } == [-1, -0.5, 0, 1, 1])
  }

  /// Learned variances lie between both fixed ones: at the ends of the range the images are theirs.
  @Test(arguments: [(ReverseVariance.fixedSmall, Float(-1)), (.fixedLarge, 1)])
  func learnedVariances(fixed: ReverseVariance, output: Float) throws {
    let (learned, simple) = (
      DDPMProcess(schedule: process.schedule, variance: .learnedRange),
      DDPMProcess(schedule: process.schedule, variance: fixed)
    )
    let images = try sample(loop(steps: 9, process: learned), 0..<2) { x, timestep, pass in
      Self.smooth(x, timestep, pass).flatMap { [$0, output] }
    }
    let expected = try sample(loop(steps: 9, process: simple), 0..<2, predict: Self.smooth)
    #expect(relativeError(of: images, from: expected) < 1e-5)
  }

  /// Noise from outside takes the place of the loop's own.
  @Test func latentsAreTheFirstNoise() throws {
    for sampler in [SamplerKind.ddpm, .euler] {
      let loop = try loop(sampler, steps: 5)
      var noise = [Float](repeating: 0, count: 24)
      for image in 0..<2 {
        noise.withUnsafeMutableBufferPointer {
          RandomStream(seed: 1, purpose: .samplerStart, sample: image)
            .fillNormal(UnsafeMutableBufferPointer(rebasing: $0[image * 12..<(image + 1) * 12]))
        }
      }
      let own = try sample(loop, 0..<2, predict: Self.smooth)
      #expect(try sample(loop, 0..<2, start: .latents(noise), predict: Self.smooth) == own)
      #expect(try sample(loop, 0..<2, start: .latents(own), predict: Self.smooth) != own)
    }
  }

  /// Half the steps begin at the noise of their first; where the mask is 0 the image comes back.
  @Test(arguments: [SamplerKind.ddim, .heun, .dpm2M]) func imagesAreDrawnOver(sampler: SamplerKind) throws {
    let loop = try loop(sampler, steps: 8)
    let image = (0..<12).map { Float($0) / 12 }
    let seen = Mutex([Float]())
    let half = try sample(loop, 0..<1, start: .image(image, strength: 0.5)) { x, timestep, pass in
      seen.withLock { $0.append(timestep) }
      return Self.smooth(x, timestep, pass)
    }
    #expect(seen.withLock { $0.count } == (sampler == .heun ? 7 : 4))
    #expect(seen.withLock { $0.first } == Float(loop.plan.path.points[4].timestep))
    let mask = (0..<12).map { Float($0 % 2) }
    let masked = try sample(
      loop, 0..<1, start: .image(image, strength: 0.5, mask: mask), predict: Self.smooth)
    for place in 0..<12 {
      #expect((masked[place] == image[place]) == (place % 2 == 0))
    }
    #expect(half.allSatisfy(\.isFinite) && half != image)
  }

  /// What goes on is shown on one scale, whatever the sampler's own.
  @Test(arguments: SamplerKind.allCases) func progressHasUnitScale(sampler: SamplerKind) throws {
    var scales: [Double] = []
    _ = try sample(
      loop(sampler, steps: 10), 0..<40,
      onStep: { progress in
        let squares = progress.images.reduce(0) { $0 + Double($1) * Double($1) }
        scales.append((squares / Double(progress.images.count)).squareRoot())
      }
    ) { x, _, _ in Array(x) }
    #expect(scales.dropLast().allSatisfy { $0 < 1.2 }, "\(scales)")
  }
}
