import Diffusion
import Foundation
import Kernels
import NumericsTestSupport
import Synchronization
import Testing

/// With a perfect network for a known distribution: how fast samplers converge, and what they draw.
@Suite struct SamplerConvergenceTests {
  private let mixture = GaussianMixture.twoModes

  private func sample(
    _ process: any DiffusionProcess, _ options: SamplingOptions, count: Int, seed: UInt64 = 3,
    start: SamplingStart = .noise
  ) throws -> (images: [Float], plan: SamplingPlan) {
    let plan = try SamplingPlan(process: process, options: options)
    let index = Mutex(0)
    let images = try SamplingLoop(plan, seed: seed).sample(
      shape: [count, 1, 1], samples: 0..<1, threads: ThreadPool(threadCount: 2), start: start
    ) { x, _, _ in
      let point = index.withLock { index in
        defer { index += 1 }
        return plan.evaluations[index].point
      }
      return x.map { Float(mixture.output(Double($0), process, at: point)) }
    }
    return (images, plan)
  }

  /// The mean distance from the exact solution after K steps.
  private func error(
    _ process: any DiffusionProcess, _ sampler: SamplerKind, _ steps: Int, spacing: Spacing? = nil
  ) throws -> Double {
    let latents = (0..<41).map { Float($0) * 0.1 - 2 }
    let (images, plan) = try sample(
      process, SamplingOptions(sampler: sampler, steps: steps, spacing: spacing), count: 41,
      start: .latents(latents))
    let first = plan.path.points[0]
    return zip(latents, images).reduce(0) { sum, pair in
      let x = Double(pair.0) * plan.path.startScale
      return sum + abs(Double(pair.1) - mixture.image(of: x, signal: first.signal, noise: first.noise)) / 41
    }
  }

  /// Halving the steps' length divides the error by 2^order: Euler's method and DDIM have order 1, Heun's and
  /// DPM-Solver++(2M) 2, UniPC-2 with its corrector 3.
  @Test(arguments: [
    (SamplerKind.euler, 1.0, 16), (.heun, 2.0, 16), (.dpm2M, 2.0, 16), (.unipc, 3.0, 8),
  ]) func orders(sampler: SamplerKind, order: Double, steps: Int) throws {
    let process = EDMProcess(sigmaMin: 0.01, sigmaMax: 20)
    let errors = try [steps, 2 * steps, 4 * steps].map { try error(process, sampler, $0) }
    let found = zip(errors, errors.dropFirst()).map { log2($0 / $1) }
    let mean = found.reduce(0, +) / Double(found.count)
    #expect(mean > order - 0.3 && mean < order + 1, "\(errors), orders \(found)")
  }

  /// On straight lines, Euler's method and Heun's keep their orders.
  @Test(arguments: [(SamplerKind.euler, 1.0), (.heun, 2.0)])
  func ordersOfFlow(sampler: SamplerKind, order: Double) throws {
    let errors = try [16, 32, 64].map { try error(FlowProcess(), sampler, $0) }
    let mean = log2(errors[0] / errors[2]) / 2
    #expect(mean > order - 0.3 && mean < order + 0.8, "\(errors)")
  }

  @Test func orderOfDDIM() throws {
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 1000))
    let errors = try [25, 50, 100].map { try error(process, .ddim, $0, spacing: .trailing) }
    #expect(log2(errors[0] / errors[2]) / 2 > 0.7, "\(errors)")
  }

  /// 10,000 images have the distribution of the data: below 0.0163 in 99 of 100 cases, and some for the steps' length.
  @Test(arguments: SamplerKind.allCases)
  func tenThousandImages(sampler: SamplerKind) throws {
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 1000))
    let steps = [.ddpm, .eulerAncestral, .ddim, .euler].contains(sampler) ? 200 : 60
    var options = SamplingOptions(sampler: sampler, steps: steps, spacing: .trailing)
    if sampler == .ddim { options.eta = 0.5 }
    if sampler == .heun { options.churn = Churn(amount: 5) }
    let images = try sample(process, options, count: 10_000).images
    #expect(mixture.distance(of: images) < 0.025, "\(mixture.distance(of: images))")
    let mean = images.reduce(0) { $0 + Double($1) } / 10_000
    #expect(abs(mean - mixture.mean) < 0.03, "\(mean)")
  }

  @Test(arguments: [SamplerKind.heun, .euler, .eulerAncestral, .dpm2M, .dpm2MSDE, .unipc])
  func tenThousandImagesOfEDM(sampler: SamplerKind) throws {
    var options = SamplingOptions(
      sampler: sampler, steps: [.euler, .eulerAncestral].contains(sampler) ? 200 : 60)
    if sampler == .heun { options.churn = Churn(amount: 10, least: 0.05, most: 50, deviation: 1.003) }
    let images = try sample(EDMProcess(), options, count: 10_000).images
    #expect(mixture.distance(of: images) < 0.025, "\(mixture.distance(of: images))")
  }

  @Test(arguments: [SamplerKind.heun, .euler], [1.0, 3.0])
  func tenThousandImagesOfFlow(sampler: SamplerKind, shift: Double) throws {
    let options = SamplingOptions(sampler: sampler, steps: 100)
    let images = try sample(FlowProcess(shift: shift), options, count: 10_000).images
    #expect(mixture.distance(of: images) < 0.025, "\(mixture.distance(of: images))")
  }

  /// A network that knows the image: whatever the sampler, the path ends there.
  @Test(arguments: SamplerKind.allCases, Prediction.allCases)
  func pathsEndAtAKnownImage(sampler: SamplerKind, prediction: Prediction) throws {
    let known = GaussianMixture(weights: [1], means: [0.4], deviation: 1e-9)
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 300), prediction: prediction)
    for steps in [1, 2, 3, 10, 299] {
      let plan = try SamplingPlan(process: process, options: SamplingOptions(sampler: sampler, steps: steps))
      let index = Mutex(0)
      let images = try SamplingLoop(plan, seed: 1).sample(
        shape: [20, 1, 1], samples: 0..<2, threads: ThreadPool(threadCount: 1)
      ) { x, _, _ in
        let point = index.withLock { index in
          defer { index += 1 }
          return plan.evaluations[index].point
        }
        return x.map { Float(known.output(Double($0), process, at: point)) }
      }
      #expect(images.allSatisfy { abs($0 - 0.4) < 2e-4 }, "\(steps) steps")
    }
  }
}
