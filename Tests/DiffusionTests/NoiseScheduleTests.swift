import Diffusion
import NumericsTestSupport
import Testing

@Suite struct NoiseScheduleTests {
  @Test(arguments: NoiseSchedule.Kind.allCases, [7, 300])
  func schedulesAreTheArticles(kind: NoiseSchedule.Kind, timesteps: Int) throws {
    let file = try Fixture.safetensors("schedules")
    let schedule = NoiseSchedule(kind, timesteps: timesteps)
    #expect(schedule.timesteps == timesteps)
    #expect(schedule.modelTimesteps == Array(0..<timesteps))
    func expect(_ quantity: String, _ value: (Int) -> Double) throws {
      for (t, expected) in try file.doubles("\(kind.rawValue)/\(timesteps)/\(quantity)").enumerated() {
        #expect(abs(value(t) - expected) <= 1e-12 * abs(expected), "\(quantity) at \(t)")
      }
    }
    try expect("betas") { schedule.betas[$0] }
    try expect("alphas_cumprod") { schedule.cumulativeAlphas[$0] }
    try expect("posterior_variance") { schedule.posteriorVariance($0) }
    #expect(schedule.previousCumulativeAlpha(0) == 1)
    #expect(
      (1..<timesteps).allSatisfy { schedule.previousCumulativeAlpha($0) == schedule.cumulativeAlphas[$0 - 1] }
    )
  }

  @Test(arguments: NoiseSchedule.Kind.allCases) func betasAreVariances(kind: NoiseSchedule.Kind) {
    for timesteps in [1, 2, 10, 1000] {
      let schedule = NoiseSchedule(kind, timesteps: timesteps)
      #expect(schedule.betas.allSatisfy { $0 > 0 && $0 < 1 })
      #expect(zip(schedule.cumulativeAlphas, schedule.cumulativeAlphas.dropFirst()).allSatisfy { $0 > $1 })
    }
  }

  @Test(arguments: NoiseSchedule.Kind.allCases, [1, 2, 7, 50, 299])
  func respacingKeepsTheCumulativeAlphas(kind: NoiseSchedule.Kind, count: Int) {
    let schedule = NoiseSchedule(kind, timesteps: 300)
    let respaced = schedule.respaced(to: count)
    #expect(respaced.timesteps == count)
    #expect(respaced.modelTimesteps.last == 299)
    #expect(zip(respaced.modelTimesteps, respaced.modelTimesteps.dropFirst()).allSatisfy { $0 < $1 })
    for (t, original) in respaced.modelTimesteps.enumerated() {
      #expect(respaced.cumulativeAlphas[t] == schedule.cumulativeAlphas[original])
      // The βs say the same, as far as 1 - β has digits.
      let alpha = respaced.cumulativeAlphas[t] / respaced.previousCumulativeAlpha(t)
      #expect(abs(1 - respaced.betas[t] - alpha) <= 1e-15)
    }
    #expect(respaced.betas.allSatisfy { $0 > 0 && $0 < 1 })
    #expect(respaced.posteriorVariance(0) == 0)
    // Evenly: no gap is more than one longer than another.
    let gaps = zip([-1] + respaced.modelTimesteps, respaced.modelTimesteps).map { $1 - $0 }
    #expect((gaps.max() ?? 0) - (gaps.min() ?? 0) <= 1)
  }

  @Test func respacingToAllIsTheSame() {
    let schedule = NoiseSchedule(.cosine, timesteps: 300)
    #expect(schedule.respaced(to: 300) == schedule)
  }

  /// Lin et al. (2024), algorithm 1: the first timestep stays, nothing is left at the last.
  @Test(arguments: [NoiseSchedule.Kind.linear, .scaledLinear])
  func zeroTerminalSNR(kind: NoiseSchedule.Kind) throws {
    let file = try Fixture.safetensors("schedules")
    let before = NoiseSchedule(kind, timesteps: 300)
    let schedule = before.rescaledToZeroTerminalSNR()
    #expect(before.remainingSignal > 0.2 && schedule.remainingSignal == 0)
    #expect(schedule.isRescaledToZeroSNR && !before.isRescaledToZeroSNR)
    #expect(abs(schedule.cumulativeAlphas[0] - before.cumulativeAlphas[0]) < 1e-15)
    #expect(schedule.betas[299] == 1 && schedule.signalToNoiseRatio(299) == 0)
    for (name, values) in [
      ("betas", schedule.betas), ("alphas", schedule.cumulativeAlphas),
    ] {
      let expected = try file.doubles("\(kind.rawValue)/300/zero_terminal_\(name)")
      #expect(relativeError(of: values, from: expected) < 1e-12, "\(name)")
    }
    // Respacing keeps the last timestep, and with it the 0.
    #expect(schedule.respaced(to: 7).cumulativeAlphas.last == 0)
  }

  /// sqrt(ᾱ_T) of well-known schedules: DDPM's own needs no warning, Stable Diffusion's does (Lin et al., 2024, table 1).
  @Test func remainingSignal() {
    #expect(abs(NoiseSchedule(.linear, timesteps: 1000).remainingSignal - 0.006353) < 1e-6)
    #expect(abs(NoiseSchedule(.scaledLinear, timesteps: 1000).remainingSignal - 0.068265) < 1e-6)
    #expect(NoiseSchedule(.linear, timesteps: 1000).remainingSignal < NoiseSchedule.noticeableSignal)
    #expect(NoiseSchedule(.scaledLinear, timesteps: 1000).remainingSignal > NoiseSchedule.noticeableSignal)
  }

  @Test func listedAndChosenBetas() {
    let linear = NoiseSchedule(.linear, timesteps: 9, betaStart: 0.1, betaEnd: 0.5)
    #expect(linear.betas.first == 0.1 && linear.betas.last == 0.5)
    #expect(NoiseSchedule(betas: linear.betas).cumulativeAlphas == linear.cumulativeAlphas)
    #expect(NoiseSchedule(betas: linear.betas).formula == nil && linear.formula?.betaEnd == 0.5)
    #expect(
      NoiseSchedule(.quadratic, timesteps: 9, betaStart: 0.00085, betaEnd: 0.012).betas
        == NoiseSchedule(.scaledLinear, timesteps: 9).betas)
    #expect(NoiseSchedule(.cosineCapped, timesteps: 9).betas.last == 0.999)
  }

  /// Leaving out steps twice tells the model timesteps of the first schedule.
  @Test func respacingTwice() {
    let twice = NoiseSchedule(.linear, timesteps: 300).respaced(to: 100).respaced(to: 10)
    #expect(twice.modelTimesteps == NoiseSchedule(.linear, timesteps: 300).respaced(to: 10).modelTimesteps)
  }
}
