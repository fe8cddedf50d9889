import Settings

/// A `scheduler_config.json` of diffusers: the noise schedule, what the network predicts, and how it is sampled. Keys
/// that are missing or null have the defaults of the class; keys of other known classes are ignored, as in diffusers,
/// but preserved.
public struct SchedulerConfiguration: Sendable {
  public let schedulerClass: SchedulerClass
  /// The sampler that corresponds to the class.
  public let sampler: SamplerKind
  /// Every key of the class with its value, in a fixed order, `_class_name` first.
  public let resolved: SettingsNode
  public let schedule: NoiseSchedule
  public let prediction: Prediction
  public let variance: ReverseVariance

  let spacing: TimestepSpacing
  let stepsOffset: Int
  let usesKarras: Bool
  let sigmaMin: Double?
  let sigmaMax: Double?
  let finalSigma: FinalSigma
  /// Whether the last step of ddim leads to ᾱ = 1, instead of ᾱ_0.
  let setsAlphaToOne: Bool
  let clipping: Clipping
  let solver: SolverOptions
  /// Timesteps with a lower λ are skipped (DPM-Solver++).
  let leastLogSNR: Double

  /// The original configuration, for reading as another class.
  private let given: SettingsNode

  /// A note for the user on how the configuration is interpreted, if there is anything to say.
  public var note: String? {
    schedulerClass == .pndm
      ? "PNDMScheduler is taken as ddim: its Runge-Kutta steps are not computed here" : nil
  }

  /// - Parameters:
  ///   - node: the dictionary.
  ///   - sampler: the sampler whose class reads the configuration, as with diffusers' `from_config`; nil for the class
  ///     that the configuration names.
  /// - Throws: `SettingsError` naming the key for a class, key or value that is unknown or not supported.
  public init(_ node: SettingsNode, sampler: SamplerKind? = nil) throws {
    guard case .section(let entries) = node.content else {
      throw SettingsError(location: node.location, "expected a dictionary of a scheduler's settings")
    }
    let schedulerClass = try sampler.map { SchedulerClass($0) } ?? Self.namedClass(node)
    let read = schedulerClass == .pndm ? SchedulerClass.ddim : schedulerClass
    let reader = try SettingsReader(
      SettingsNode(
        .section(entries.filter { Self.isRead($0, by: read) }), location: node.location))
    let values = try SchedulerValues(reader, read, sampler: sampler)
    try reader.finish()
    self.schedulerClass = schedulerClass
    self.sampler = values.sampler
    given = node
    resolved = SettingsNode(
      .section(
        [SettingsEntry(key: "_class_name", node: SettingsNode(read.rawValue))]
          + (reader.resolved.entries ?? []).map(Self.withNone)))
    schedule = values.schedule
    prediction = values.prediction
    variance = values.variance
    spacing = values.spacing
    stepsOffset = values.stepsOffset
    usesKarras = values.usesKarras
    (sigmaMin, sigmaMax) = (values.sigmaMin, values.sigmaMax)
    finalSigma = values.finalSigma
    setsAlphaToOne = values.setsAlphaToOne
    clipping = values.clipping
    solver = values.solver
    leastLogSNR = values.leastLogSNR
  }

  /// Reads the text of a `scheduler_config.json`.
  ///
  /// - Throws: `SettingsError`.
  public init(json: String, source: String, sampler: SamplerKind? = nil) throws {
    try self.init(SettingsNode(yaml: json, source: source), sampler: sampler)
  }

  /// The same configuration, read as the class of another sampler.
  ///
  /// - Throws: `SettingsError` if that class does not support the value of a key.
  public func read(for sampler: SamplerKind) throws -> SchedulerConfiguration {
    try SchedulerConfiguration(given, sampler: sampler)
  }

  private static func namedClass(_ node: SettingsNode) throws -> SchedulerClass {
    let known = SchedulerClass.allCases.map(\.rawValue).joined(separator: ", ")
    guard let name = node["_class_name"], case .scalar(let scalar) = name.content else {
      throw SettingsError(
        path: "_class_name", location: node.location,
        "is missing: which scheduler is this? Known are \(known); --sampler takes the place of it")
    }
    guard let known = SchedulerClass(rawValue: scalar.text) else {
      throw SettingsError(
        path: "_class_name", location: name.location,
        "the scheduler \(scalar.text) is not computed here. Known are \(known); "
          + "--sampler (\(SamplerKind.names)) takes the place of it")
    }
    return known
  }

  /// diffusers interprets an empty list of βs as a schedule without timesteps, so it is replaced with null.
  private static func withNone(_ entry: SettingsEntry) -> SettingsEntry {
    guard entry.key == "trained_betas", case .list(let values) = entry.node.content, values.isEmpty else {
      return entry
    }
    return SettingsEntry(key: entry.key, node: nil)
  }

  /// Whether the class reads an entry: not if it is None in Python, or belongs to other classes only.
  private static func isRead(_ entry: SettingsEntry, by read: SchedulerClass) -> Bool {
    if entry.key.hasPrefix("_") { return false }
    if case .scalar(let scalar) = entry.node.content, scalar.meaning == .nothing { return false }
    return read.keys.contains(entry.key) || !SchedulerClass.allKeys.contains(entry.key)
  }
}
