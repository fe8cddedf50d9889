import Settings

/// The configuration of an adapter from peft's `adapter_config.json` or diffusers' file metadata.
struct PublishedAdapterConfiguration {
  private let rank: Double?
  private let alpha: Double?
  private let rankPattern: [(pattern: String, value: Double)]
  private let alphaPattern: [(pattern: String, value: Double)]
  private let scalesByRoot: Bool
  let isDecomposed: Bool

  /// - Parameters:
  ///   - node: the configuration of all components, or of one.
  ///   - component: the component, whose name may prefix its keys.
  init(_ node: SettingsNode, _ component: AdapterTensors.Component) {
    let prefix = "\(component.rawValue)."
    let entries = node.entries ?? []
    func value(_ key: String) -> SettingsNode? {
      entries.first { $0.key == prefix + key }?.node ?? entries.first { $0.key == key }?.node
    }
    func number(_ key: String) -> Double? { value(key).flatMap(Self.number) }
    func pattern(_ key: String) -> [(String, Double)] {
      (value(key)?.entries ?? []).compactMap { entry in Self.number(entry.node).map { (entry.key, $0) } }
    }
    func flag(_ key: String) -> Bool {
      if case .scalar(let scalar)? = value(key)?.content { scalar.text == "true" } else { false }
    }
    rank = number("r")
    alpha = number("lora_alpha") ?? number("alpha")
    rankPattern = pattern("rank_pattern")
    alphaPattern = pattern("alpha_pattern")
    scalesByRoot = flag("use_rslora")
    isDecomposed = flag("use_dora")
  }

  private static func number(_ node: SettingsNode) -> Double? {
    if case .scalar(let scalar) = node.content { Double(scalar.text) } else { nil }
  }

  /// alpha / rank of a module (alpha / √rank if so configured); nil if the configuration does not say.
  ///
  /// - Parameter formRank: the rank of the module's tensors, if they have one.
  func scale(of module: String, formRank: Int?) -> Double? {
    guard let alpha = Self.value(of: module, in: alphaPattern) ?? alpha,
      let rank = formRank.map(Double.init) ?? Self.value(of: module, in: rankPattern) ?? rank
    else { return nil }
    return alpha / (scalesByRoot ? rank.squareRoot() : rank)
  }

  /// The value of the first pattern that matches the end of the module's name, as in peft.
  private static func value(of module: String, in patterns: [(pattern: String, value: Double)]) -> Double? {
    patterns.first { pattern, _ in
      if module == pattern || module.hasSuffix(".\(pattern)") { return true }
      guard let expression = try? Regex("(.*\\.)?(\(pattern))") else { return false }
      return module.wholeMatch(of: expression) != nil
    }?.value
  }
}
