import Diffusion
import Settings

/// The diffusion process that a base model was trained with. What defines the network's function, such as the noise
/// schedule and the prediction, also applies to training that continues from it, unless that says otherwise. How losses
/// are weighted and how samples are drawn does not.
struct BaseProcess {
  static let key = "diffusion"

  /// The section `diffusion` of the base's configuration.
  private let section: SettingsNode

  init(_ section: SettingsNode) { self.section = section }

  private static let processKey = "process"
  private static let scheduleKeys = ["schedule", "beta_start", "beta_end"]
  private static let otherKeys = [
    processKey, "timesteps", "prediction", "variance", "zero_terminal_snr", "sigma_data",
  ]

  /// The section `own` with what it leaves out of the process; unchanged if it names another process.
  func completing(_ own: SettingsNode) -> SettingsNode {
    func isGiven(_ key: String, in node: SettingsNode) -> Bool { !(node[key]?.isNull ?? true) }
    func agrees(_ key: String) -> Bool { !isGiven(key, in: own) || own[key]?.json == section[key]?.json }
    guard agrees(Self.processKey) else { return own }
    let keys = Self.otherKeys + (agrees("schedule") ? Self.scheduleKeys : [])
    return keys.reduce(own) { result, key in
      guard !isGiven(key, in: own), isGiven(key, in: section), let value = section[key] else { return result }
      return result.setting(key, to: value)
    }
  }

  /// Describes how the process of the section `own` differs; empty if it is the same.
  ///
  /// - Throws: `SettingsError` for an invalid section.
  func differences(from own: SettingsNode) throws -> [String] {
    let (before, now) = (try Self.read(section), try Self.read(own))
    guard !before.process.hasSameNetwork(as: now.process) else { return [] }
    let keys =
      before.process.kind == now.process.kind ? Self.otherKeys + Self.scheduleKeys : [Self.processKey]
    func defining(_ node: SettingsNode) -> SettingsNode {
      SettingsNode(.section((node.entries ?? []).filter { keys.contains($0.key) }))
    }
    return SettingsNode.differences(defining(before.resolved), defining(now.resolved)).map {
      "\(Self.key).\($0)"
    }
  }

  private static func read(
    _ section: SettingsNode
  ) throws -> (process: any DiffusionProcess, resolved: SettingsNode) {
    let reader = try SettingsReader(section, path: key)
    let process = try DiffusionSettings.process(reader)
    return (process, reader.resolved)
  }
}

extension DiffusionProcess {
  /// Whether a network trained with this process computes what `other` asks of it.
  fileprivate func hasSameNetwork(as other: any DiffusionProcess) -> Bool {
    switch (self, other) {
    case (let own as DDPMProcess, let other as DDPMProcess):
      own.schedule.betas == other.schedule.betas && own.prediction == other.prediction
        && own.outputsPerChannel == other.outputsPerChannel
    case (let own as EDMProcess, let other as EDMProcess): own.sigmaData == other.sigmaData
    case (let own as FlowProcess, let other as FlowProcess): own.timesteps == other.timesteps
    default: false
    }
  }
}
