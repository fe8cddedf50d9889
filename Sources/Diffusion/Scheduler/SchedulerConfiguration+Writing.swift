import Foundation
import Settings

extension SchedulerConfiguration {
  /// The configuration of a trained process for the class of `sampler`.
  ///
  /// Timesteps are spaced `trailing`, so that sampling starts at the noise level that training ended with, and clipping
  /// is off. Schedules for which the class has no formula are listed as `trained_betas`.
  ///
  /// - Throws: `SettingsError` if the class cannot represent the process: HeunDiscreteScheduler does not support a last
  ///   timestep without signal.
  public init(of process: DDPMProcess, sampler: SamplerKind = .ddpm) throws {
    let schedulerClass = SchedulerClass(sampler)
    let schedule = process.schedule
    var entries: [(String, SettingsNode)] = [
      ("_class_name", SettingsNode(schedulerClass.rawValue)),
      ("num_train_timesteps", SettingsNode(schedule.timesteps)),
      ("prediction_type", SettingsNode(process.prediction.schedulerName)),
      ("timestep_spacing", SettingsNode(TimestepSpacing.trailing.rawValue)),
    ]
    if let formula = schedule.formula, let name = Self.name(of: formula.kind, in: schedulerClass) {
      entries.append(("beta_schedule", SettingsNode(name.rawValue)))
      if let start = formula.betaStart, let end = formula.betaEnd {
        entries += [("beta_start", SettingsNode(start)), ("beta_end", SettingsNode(end))]
      }
      if schedule.isRescaledToZeroSNR {
        guard schedulerClass.keys.contains("rescale_betas_zero_snr") else {
          throw SettingsError(
            path: "rescale_betas_zero_snr",
            "\(schedulerClass.rawValue) knows no last timestep without signal: choose another class")
        }
        entries.append(("rescale_betas_zero_snr", true))
      }
    } else if schedule.isRescaledToZeroSNR, let formula = schedule.formula {
      // The βs before rescaling, which the class then rescales itself.
      let before = NoiseSchedule(
        formula.kind, timesteps: schedule.timesteps, betaStart: formula.betaStart, betaEnd: formula.betaEnd)
      entries += [("trained_betas", SettingsNode(before.betas)), ("rescale_betas_zero_snr", true)]
    } else {
      entries.append(("trained_betas", SettingsNode(schedule.betas)))
    }
    switch schedulerClass {
    case .ddpm:
      let type = process.variance.rawValue.replacingOccurrences(of: "-", with: "_")
      entries += [("variance_type", SettingsNode(type)), ("clip_sample", false)]
    case .ddim: entries.append(("clip_sample", false))
    case .dpmMultistep:
      entries.append(
        ("algorithm_type", SettingsNode(sampler == .dpm2MSDE ? "sde-dpmsolver++" : "dpmsolver++")))
      if process.variance == .learnedRange { entries.append(("variance_type", "learned_range")) }
    case .pndm, .euler, .eulerAncestral, .heun, .unipc: break
    }
    try self.init(SettingsNode(.section(entries.map { SettingsEntry(key: $0.0, node: $0.1) })))
  }

  private static func name(of kind: NoiseSchedule.Kind, in schedulerClass: SchedulerClass) -> BetaSchedule? {
    switch kind {
    case .linear: .linear
    case .scaledLinear, .quadratic: .scaledLinear
    case .cosineCapped: .cosineCapped
    case .cosine: nil
    case .sigmoid: schedulerClass == .ddpm ? .sigmoid : nil
    }
  }

  /// The text of a `scheduler_config.json` for diffusers' `from_pretrained`: all keys of the class, sorted.
  public func json() -> String {
    let entries = (resolved.entries ?? []).sorted { $0.key < $1.key }
    let lines = entries.map { "  \(Self.quoted($0.key)): \(Self.json($0.node))" }
    return "{\n" + lines.joined(separator: ",\n") + "\n}\n"
  }

  private static func json(_ node: SettingsNode) -> String {
    switch node.content {
    case .section(let entries):
      return "{" + entries.map { "\(quoted($0.key)): \(json($0.node))" }.joined(separator: ", ") + "}"
    case .list(let nodes): return "[" + nodes.map(json).joined(separator: ", ") + "]"
    case .scalar(let scalar):
      switch scalar.meaning {
      case .nothing: return "null"
      case .bool(let value): return String(value)
      case .number: return scalar.text
      // Python's JSON supports infinities.
      case .text(let text): return ["Infinity", "-Infinity"].contains(text) ? text : quoted(text)
      }
    }
  }

  /// Quotes names of keys and values, which need no escaping beyond what is done here.
  private static func quoted(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      + "\""
  }
}

extension DDPMProcess {
  /// The process that a scheduler's configuration describes.
  public init(_ scheduler: SchedulerConfiguration) {
    self.init(
      schedule: scheduler.schedule, prediction: scheduler.prediction, variance: scheduler.variance, loss: .l2)
  }
}
