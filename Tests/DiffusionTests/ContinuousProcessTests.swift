import Diffusion
import Foundation
import NumericsTestSupport
import Randomness
import Testing

/// The levels that processes draw, and those at which losses are compared.
@Suite struct ContinuousProcessTests {
  private func levels(_ process: any DiffusionProcess, _ count: Int) -> [NoiseLevel] {
    (0..<count).map {
      process.level(drawnFrom: RandomStream(seed: 5, purpose: .timestep, step: 3, sample: $0))
    }
  }

  private func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    return (mean, variance.squareRoot())
  }

  /// ln σ ~ N(-1.2, 1.2²), and the network is told ln(σ) / 4.
  @Test func edmDrawsLogNormalLevels() {
    let process = EDMProcess()
    let drawn = levels(process, 20_000)
    let (mean, deviation) = moments(drawn.map { log($0.noise) })
    #expect(abs(mean + 1.2) < 5 * 1.2 / 20_000.0.squareRoot() && abs(deviation - 1.2) < 0.03)
    #expect(drawn.allSatisfy { $0.signal == 1 && abs(Double($0.timestep) - log($0.noise) / 4) < 1e-6 })
    // λ c_out² is 1 (Karras et al., 2022, equation 8).
    #expect(drawn.allSatisfy { abs($0.weight - 1) < 1e-12 })
  }

  /// Unit variance of the network's input and target at every level, where the data has the deviation σ_data.
  @Test(arguments: [0.002, 0.3, 5, 80]) func edmIsPreconditioned(sigma: Double) {
    let process = EDMProcess(sigmaData: 0.7)
    let level = process.level(sigma: sigma)
    let input = level.inputScale * level.inputScale * (0.49 + sigma * sigma)
    let target = level.targetImage * level.targetImage * 0.49 + level.targetNoise * level.targetNoise
    #expect(abs(input - 1) < 1e-12 && abs(target - 1) < 1e-9)
    // Reading the target gives image and noise back.
    let readout = process.readout(at: PathPoint(timestep: 0, signal: 1, noise: sigma))
    #expect(abs(readout.imageFromX + readout.imageFromOutput * level.targetImage - 1) < 1e-9)
    #expect(
      abs(readout.imageFromX * sigma + readout.imageFromOutput * level.targetNoise) < 1e-9 * (1 + sigma))
    #expect(abs(readout.noiseFromX + readout.noiseFromOutput * level.targetImage) < 1e-9 / sigma)
    #expect(abs(readout.noiseFromX * sigma + readout.noiseFromOutput * level.targetNoise - 1) < 1e-9)
  }

  @Test func flowDrawsTimes() {
    let uniform = moments(levels(FlowProcess(), 20_000).map(\.noise))
    #expect(abs(uniform.mean - 0.5) < 0.011 && abs(uniform.deviation - 1 / 12.0.squareRoot()) < 0.01)
    let normal = FlowProcess(times: .logitNormal(mean: 0.3, deviation: 0.8))
    let logits = moments(levels(normal, 20_000).map { log($0.noise / $0.signal) })
    #expect(abs(logits.mean - 0.3) < 0.03 && abs(logits.deviation - 0.8) < 0.02)
    // Shifting multiplies t / (1 - t).
    let shifted = FlowProcess(timesteps: 500, times: normal.times, shift: 3)
    for (plain, moved) in zip(levels(normal, 50), levels(shifted, 50)) {
      let odds = plain.noise / plain.signal
      #expect(abs(moved.noise / moved.signal - 3 * odds) < 1e-9 * odds * 3)
      #expect(abs(Double(moved.timestep) - 500 * moved.noise) < 1e-4)
      #expect(moved.targetImage == -1 && moved.targetNoise == 1 && moved.weight == 1)
    }
  }

  /// Fixed levels have the distribution of drawn ones, for any part of the samples.
  @Test func fixedLevelsAreSpreadAsTrainings() {
    let edm = moments(EDMProcess().fixedLevels(300..<1300).map { log($0.noise) })
    #expect(abs(edm.mean + 1.2) < 0.01 && abs(edm.deviation - 1.2) < 0.02)
    let ddpm = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 10)).fixedLevels(7..<1007)
    for t in 0..<10 { #expect((98...102).contains(ddpm.count { $0.index == t }), "t \(t)") }
    let flow = moments(FlowProcess().fixedLevels(0..<1000).map(\.noise))
    #expect(abs(flow.mean - 0.5) < 0.002)
    #expect(FlowProcess().fixedLevels(5..<7) == Array(FlowProcess().fixedLevels(0..<9)[5..<7]))
  }
}
