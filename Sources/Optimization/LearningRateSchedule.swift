import Foundation
import Settings

/// The learning rate of each optimiser step: a function of the global step alone, so there is no state to save and
/// nothing that could be counted once per rank.
public struct LearningRateSchedule: Hashable, Sendable {
  /// How the rate changes after the warm-up.
  public enum Decay: Hashable, Sendable {
    case constant
    /// Half a cosine from 1 to `floor` at the last step (Loshchilov and Hutter, 2017, equation 5, without restarts).
    case cosine(floor: Double)
    /// Linearly to `floor` at the last step.
    case linear(floor: Double)
    /// sqrt(r / max(s, r)) with the reference step r (Karras et al., 2024, equation 15; Vaswani et al., 2017, with r =
    /// warm-up).
    case inverseSquareRoot(reference: Int)
    /// Multiplied by `factor` after each of the given steps.
    case steps(at: [Int], factor: Double)
  }

  /// The maximal rate, which all factors scale.
  public let peak: Double
  /// The number of steps over which the rate rises linearly from 0; the last of them has the full rate.
  public let warmup: Int
  public let decay: Decay
  /// The number of steps of the whole run.
  public let total: Int

  public init(peak: Double, warmup: Int = 0, decay: Decay = .constant, total: Int) {
    precondition(peak >= 0 && warmup >= 0 && total >= 1, "rate \(peak), warm-up \(warmup), steps \(total)")
    self.peak = peak
    self.warmup = warmup
    self.decay = decay
    self.total = total
  }

  /// Whether the rate at some steps depends on the length of the run.
  public var dependsOnTotal: Bool {
    switch decay {
    case .cosine, .linear: true
    case .constant, .inverseSquareRoot, .steps: false
    }
  }

  /// The rate of update `step`, counted from 1.
  public func rate(at step: Int) -> Double { peak * factor(at: step) }

  /// The rate as a fraction of the peak.
  public func factor(at step: Int) -> Double {
    precondition(step >= 1, "update number \(step)")
    return min(1, Double(step) / Double(max(warmup, 1))) * decayFactor(at: step)
  }

  private func decayFactor(at step: Int) -> Double {
    switch decay {
    case .constant: 1
    case .cosine(let floor): floor + (1 - floor) * 0.5 * (1 + cos(Double.pi * progress(step)))
    case .linear(let floor): floor + (1 - floor) * (1 - progress(step))
    case .inverseSquareRoot(let reference):
      (Double(reference) / Double(max(step, reference))).squareRoot()
    case .steps(let places, let factor): pow(factor, Double(places.count { $0 < step }))
    }
  }

  /// Progress from 0 at the end of the warm-up to 1 at the last step of the run.
  private func progress(_ step: Int) -> Double {
    let start = max(warmup, 1)
    return min(max(Double(step - start) / Double(max(total - start, 1)), 0), 1)
  }
}

extension LearningRateSchedule {
  private enum Name: String, CaseIterable {
    case constant
    case cosine
    case linear
    case inverseSquareRoot = "inverse-square-root"
    case steps
  }

  /// Reads the keys `schedule`, `warmup_steps` and those of the chosen schedule.
  ///
  /// - Parameters:
  ///   - peak: the section's learning rate.
  ///   - total: the number of steps of the run.
  /// - Throws: `SettingsError`, including for keys that belong to another schedule.
  public init(_ reader: SettingsReader, peak: Double, total: Int) throws {
    let name = try reader.choice(
      "schedule", default: Name.constant, help: "how the learning rate goes on after the warm-up")
    let warmup = try reader.value(
      "warmup_steps", default: 0, in: 0..., help: "steps during which the learning rate rises from 0")
    let owners: [(String, [Name])] = [
      ("final_rate", [.cosine, .linear]), ("reference_steps", [.inverseSquareRoot]),
      ("milestones", [.steps]), ("milestone_factor", [.steps]),
    ]
    for (key, owner) in owners where reader.isGiven(key) && !owner.contains(name) {
      throw reader.invalid(
        key,
        "is of schedule \(owner.map(\.rawValue).joined(separator: " or ")), and that is \(name.rawValue)")
    }
    // Keys of a schedule are read only if it is chosen, so that the resolved configuration can be read back.
    let decay: Decay
    switch name {
    case .constant: decay = .constant
    case .cosine: decay = .cosine(floor: try Self.floor(reader))
    case .linear: decay = .linear(floor: try Self.floor(reader))
    case .inverseSquareRoot:
      let reference = try reader.value(
        "reference_steps", as: Int.self, in: 1...,
        help: "the step from which the rate falls; null: the warm-up's end")
      guard reference != nil || warmup > 0 else {
        throw reader.invalid("reference_steps", "is missing, and there is no warm-up to take its place")
      }
      decay = .inverseSquareRoot(reference: reference ?? warmup)
    case .steps:
      let milestones = try reader.value(
        "milestones", default: [Int](), in: 1..., help: "where the rate is multiplied by milestone_factor")
      guard !milestones.isEmpty, milestones == Array(Set(milestones)).sorted() else {
        throw reader.invalid("milestones", "must be steps in rising order, at least one")
      }
      decay = .steps(
        at: milestones,
        factor: try reader.value(
          "milestone_factor", default: 0.1, in: 0.0...1.0, help: "what the rate is multiplied by"))
    }
    self.init(peak: peak, warmup: warmup, decay: decay, total: total)
  }
  private static func floor(_ reader: SettingsReader) throws -> Double {
    try reader.value(
      "final_rate", default: 0.0, in: 0.0...1.0, help: "the part of the learning rate that the run ends with")
  }
}
