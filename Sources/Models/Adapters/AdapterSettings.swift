import Layers
import Settings

/// The keys of the `adapter` section: how an adapter changes a frozen model.
public struct AdapterSettings: Hashable, Sendable {
  public let kind: AdapterKind
  public let rank: Int
  public let alpha: Double
  public let targets: AdapterTargets
  /// Rank for convolutions larger than 1x1.
  public let wideRank: Int
  public let dropout: Double
  /// Whether the weights of each output have a trained norm.
  public let isDecomposed: Bool

  private static let targetsKey = "targets"

  /// - Throws: `SettingsError`.
  public init(_ reader: SettingsReader) throws {
    kind = try reader.choice("kind", default: AdapterKind.lora, help: "how weights are changed")
    rank = try reader.value("rank", default: 8, in: 1...16_384, help: "of the products that change weights")
    alpha =
      try reader.nullable(
        "alpha", default: nil, in: Above(0.0),
        help: "the change is multiplied by alpha / rank of the module; null: alpha is rank")
      ?? Double(rank)
    let names = try reader.oneOrSeveral(
      Self.targetsKey, default: [AdapterTargets.Preset.attention.rawValue],
      help: "attention, transformer, all, or the names of modules from their end, such as to_q")
    wideRank =
      try reader.nullable(
        "conv_rank", default: nil, in: 1...16_384, help: "of convolutions larger than 1x1; null: rank")
      ?? rank
    dropout = try reader.value(
      "dropout", default: 0, in: 0...0.95, help: "how often an input of a change is dropped in training")
    isDecomposed = try reader.value(
      "weight_decomposition", default: false,
      help: "whether the changed weights of each output are brought to a trained length (DoRA)")
    targets = try Self.targets(names, key: Self.targetsKey, reader)
    guard !isDecomposed || dropout == 0 else {
      throw reader.invalid("dropout", "must be 0 with weight_decomposition, which changes whole weights")
    }
    guard kind == .lora || dropout == 0 else {
      throw reader.invalid("dropout", "is for kind: lora, whose change has inputs of its own")
    }
  }

  private static func targets(
    _ names: [String], key: String, _ reader: SettingsReader
  ) throws -> AdapterTargets {
    let presets = names.compactMap { AdapterTargets.Preset(rawValue: $0) }
    guard let preset = presets.first else { return .names(names) }
    guard names.count == 1 else {
      throw reader.invalid(key, "\(preset.rawValue) is a set of modules, and stands alone")
    }
    return .preset(preset)
  }

  /// The modules of the text encoder that are adapted as well; nil if it stays as it is.
  ///
  /// - Parameter reader: the section's reader.
  /// - Throws: `SettingsError`.
  public func textTargets(_ reader: SettingsReader) throws -> AdapterTargets? {
    let names = try reader.noneOrSeveral(
      Self.textKey,
      help:
        "what of the text encoder is changed as well, as in targets; true: the set that targets names; null: nothing"
    )
    switch names {
    case nil: return nil
    case ["true"]:
      guard case .preset = targets else {
        throw reader.invalid(
          Self.textKey,
          "is true, and targets has names of the denoiser's modules: say which, such as attention")
      }
      return targets
    case .some(let names): return try Self.targets(names, key: Self.textKey, reader)
    }
  }

  /// The key of the targets in the text encoder.
  public static let textKey = "text_encoder"

  /// The adapter of a model with `layout`.
  ///
  /// - Parameters:
  ///   - builder: receives the adapter's parameters.
  ///   - reader: the section's reader, for error messages.
  /// - Throws: `SettingsError` naming a target that matches no module, and the nearest existing one.
  public func adapter(
    of layout: ParameterLayout, in builder: ParameterBuilder = ParameterBuilder("adapter"),
    _ reader: SettingsReader
  ) throws -> Adapter {
    try adapter(of: layout, targets, key: Self.targetsKey, in: builder, reader)
  }

  /// The adapter of the modules `targets` of a model with `layout`.
  ///
  /// - Parameters:
  ///   - key: the key of the targets, for error messages.
  ///   - builder: receives the adapter's parameters.
  ///   - reader: the section's reader, for error messages.
  /// - Throws: as the other function.
  public func adapter(
    of layout: ParameterLayout, _ targets: AdapterTargets, key: String, in builder: ParameterBuilder,
    _ reader: SettingsReader
  ) throws -> Adapter {
    try Self.require(targets, key: key, in: layout, reader)
    let modules = try Self.modules(targets, key: key, of: layout, reader)
    if dropout > 0, let module = modules.first(where: { $0.adaptability == .merged }) {
      throw reader.invalid(
        "dropout", "must be 0 for the target \(module.name): its inputs go through several products at once")
    }
    return Adapter(modules.map(adaptation), of: layout, in: builder)
  }

  /// The target modules; a preset includes only those whose change can be merged into the model's weights.
  private static func modules(
    _ targets: AdapterTargets, key: String, of layout: ParameterLayout, _ reader: SettingsReader
  ) throws -> [AdaptableModule] {
    let modules = layout.adaptableModules.filter { targets.contains($0.name) }
    guard case .names = targets else { return modules.filter { $0.adaptability != .beside } }
    if let module = modules.first(where: { $0.adaptability == .beside }) {
      throw reader.invalid(
        key, "\(module.name) standardises its weights: a change of them could not be merged")
    }
    return modules
  }

  private func adaptation(of module: AdaptableModule) -> AdaptedModule {
    let rank = rank(of: module)
    return AdaptedModule(
      name: module.name, form: AdapterForm(kind, rank: rank, of: module), scale: Float(alpha / Double(rank)),
      isDecomposed: isDecomposed)
  }

  /// The rank used for a module.
  public func rank(of module: AdaptableModule) -> Int { module.isWideConvolution ? wideRank : rank }

  /// Throws unless each target is a module of the model.
  public func requireTargets(in layout: ParameterLayout, _ reader: SettingsReader) throws {
    try Self.require(targets, key: Self.targetsKey, in: layout, reader)
  }

  private static func require(
    _ targets: AdapterTargets, key: String, in layout: ParameterLayout, _ reader: SettingsReader
  ) throws {
    let modules = layout.adaptableModules.map(\.name)
    guard case .names(let names) = targets else {
      guard modules.contains(where: targets.contains) else {
        throw reader.invalid(key, "the model has no such modules")
      }
      return
    }
    guard !names.isEmpty else { throw reader.invalid(key, "is empty: nothing would be trained") }
    for name in names where !modules.contains(where: AdapterTargets.names([name]).contains) {
      // Suffixes of module names with as many components as the target.
      let parts = name.split(separator: ".").count
      let ends = modules.map { $0.split(separator: ".").suffix(parts).joined(separator: ".") }
      let others = modules.compactMap { $0.split(separator: ".").last.map(String.init) }
      let twoParts = modules.map { $0.split(separator: ".").suffix(2).joined(separator: ".") }
      var seen: Set<String> = []
      let known = (ends + twoParts + others).filter { seen.insert($0).inserted && Int($0) == nil }
      let advice = NearestKey.among(known, to: name).map { "did you mean \($0)?" }
      throw reader.invalid(
        key,
        "no linear layer or convolution is named \(name); \(advice ?? "there are \(known.prefix(5).joined(separator: ", "))")"
      )
    }
  }
}
