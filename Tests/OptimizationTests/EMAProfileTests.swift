import Foundation
import Optimization
import Testing

@Suite struct EMAProfileTests {
  /// The average of known weights after `steps` updates.
  private func average(_ profile: EMAProfile, _ weights: [Double]) -> Double {
    var result = 0.0
    for (index, weight) in weights.enumerated() {
      let decay = profile.decay(at: index + 1)
      result = decay * result + (1 - decay) * weight
    }
    return result
  }

  @Test func decays() {
    #expect(EMAProfile.constant(decay: 0.9).decay(at: 1) == 0.9)
    #expect(EMAProfile.warmedUp(decay: 0.999).decay(at: 1) == 2.0 / 11)
    #expect(EMAProfile.warmedUp(decay: 0.999).decay(at: 1_000_000) == 0.999)
    // Whatever stood there before, the first update replaces it.
    #expect(EMAProfile.power(gamma: 3).decay(at: 1) == 0)
    #expect(abs(EMAProfile.power(gamma: 3).decay(at: 10) - pow(0.9, 4)) < 1e-15)
  }

  /// Karras et al. (2024), section 3.1: σ_rel of 0.05 and 0.10 are γ of 16.97 and 6.94.
  @Test func gammas() {
    #expect(abs(PowerProfile.gamma(relativeWidth: 0.05) - 16.97) < 0.005)
    #expect(abs(PowerProfile.gamma(relativeWidth: 0.10) - 6.94) < 0.005)
    #expect(abs(PowerProfile.gamma(relativeWidth: PowerProfile.widest)) < 1e-9)
    for width in [0.001, 0.01, 0.07, 0.2, 0.28] {
      let gamma = PowerProfile.gamma(relativeWidth: width)
      #expect(abs(PowerProfile.relativeWidth(gamma: gamma) - width) < 1e-12)
      // The cubic of algorithm 2.
      let p = 1 / (width * width)
      let cubic = ((gamma + 7) * gamma + (16 - p)) * gamma + 12 - p
      #expect(abs(cubic) < 1e-6 * p * max(gamma, 1))
    }
  }

  /// The mean step of a power average is (γ + 1) / (γ + 2) of the run, and its deviation σ_rel of it.
  @Test(arguments: [0.05, 0.1, 0.2]) func averagesHaveTheirWidth(width: Double) {
    let steps = 20_000
    let profile = EMAProfile.power(relativeWidth: width)
    let gamma = PowerProfile.gamma(relativeWidth: width)
    let times = (1...steps).map { Double($0) / Double(steps) }
    let mean = average(profile, times)
    let variance = average(profile, times.map { ($0 - mean) * ($0 - mean) })
    #expect(abs(mean - (gamma + 1) / (gamma + 2)) < 1e-3)
    #expect(abs(variance.squareRoot() - width) < 1e-3)
  }

  /// Two tracked averages with snapshots on the way give any width between them to a thousandth of how far the weights
  /// move (here a curve with noise), and one twice as wide to less than a hundredth.
  @Test(arguments: [0.05, 0.075, 0.1, 0.15, 0.2]) func reconstructsOtherWidths(width: Double) throws {
    let steps = 4096
    let noise = { (step: Int) in sin(Double(step) * 12.9898) * 0.3 }
    let weights = (1...steps).map { 1 - exp(-Double($0) / 700) + noise($0) }
    let tracked = [0.05, 0.1]
    var snapshots: [PowerProfile.Average] = []
    var values: [Double] = []
    for width in tracked {
      for step in stride(from: 256, through: steps, by: 256) {
        snapshots.append(
          .init(step: Double(step), gamma: PowerProfile.gamma(relativeWidth: width)))
        values.append(average(.power(relativeWidth: width), Array(weights[..<step])))
      }
    }
    let target = PowerProfile.Average(
      step: Double(steps), gamma: PowerProfile.gamma(relativeWidth: width))
    let coefficients = try PowerProfile.coefficients(of: snapshots, for: target)
    let reconstructed = zip(coefficients, values).reduce(0) { $0 + $1.0 * $1.1 }
    let expected = average(.power(relativeWidth: width), weights)
    let tolerance = width > 0.15 ? 1e-2 : 1e-3
    #expect(abs(reconstructed - expected) < tolerance, "\(reconstructed), \(expected)")
    #expect(abs(coefficients.reduce(0, +) - 1) < tolerance)
  }

  /// A width that was tracked is its own snapshot.
  @Test func reconstructsWhatWasTracked() throws {
    let snapshots = [
      PowerProfile.Average(step: 500, gamma: 16.97), .init(step: 1000, gamma: 6.94),
      .init(step: 1000, gamma: 16.97),
    ]
    let found = try PowerProfile.coefficients(of: snapshots, for: snapshots[2])
    #expect(zip(found, [0, 0, 1]).allSatisfy { abs($0 - $1) < 1e-9 }, "\(found)")
  }

  @Test func whatCannotBeReconstructed() {
    let one = PowerProfile.Average(step: 500, gamma: 5)
    #expect(throws: AverageError.self) { try PowerProfile.coefficients(of: [], for: one) }
    #expect(throws: AverageError.self) { try PowerProfile.coefficients(of: [one, one], for: one) }
    #expect(throws: AverageError.self) {
      try PowerProfile.coefficients(of: [one], for: .init(step: 400, gamma: 5))
    }
  }
}
