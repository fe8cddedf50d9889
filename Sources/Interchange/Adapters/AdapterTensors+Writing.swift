import Files
import Foundation
import Layers
import Safetensors
import Settings

extension AdapterTensors {
  /// The program whose naming a file follows.
  public enum Dialect: String, CaseIterable, Sendable {
    /// Modules under their own names, as in peft's `set_peft_model_state_dict` and diffusers' `load_lora_adapter`;
    /// folders as in peft's `PeftModel.from_pretrained`.
    case peft
    /// Modules prefixed with the name of their component, as in diffusers' `load_lora_weights`.
    case diffusers
    /// The names of kohya's scripts and LyCORIS.
    case kohya
  }

  /// Writes a safetensors file, or, in peft's dialect and for a path without its extension, a folder.
  ///
  /// - Throws: `ModelFileError` for modules that cannot share a file in the dialect; `FileError`.
  public func write(_ dialect: Dialect, to path: String) throws {
    let isFolder = dialect == .peft && !path.hasSuffix(".safetensors")
    guard dialect != .peft || components.count <= 1 else {
      throw ModelFileError(
        path,
        "peft has a file for each model, and this adapter changes several: --format diffusers takes both")
    }
    if dialect != .kohya { try requireNamesOfPeft(path) }
    var metadata = ["format": "pt"]
    let configurations = components.sorted { $0.rawValue < $1.rawValue }.map { ($0, configuration(of: $0)) }
    if dialect != .kohya {
      var node = SettingsNode.empty
      for (component, configuration) in configurations {
        for entry in configuration.entries ?? [] {
          node = node.setting(
            dialect == .diffusers ? "\(component.rawValue).\(entry.key)" : entry.key, to: entry.node)
        }
      }
      metadata[Self.configurationKey] = node.json
    }
    var file = SafetensorsWriter(metadata: metadata)
    for module in modules {
      let name = Self.name(of: module, dialect, inFolder: isFolder)
      let tensors = dialect == .kohya ? Self.withOthersMagnitudes(module.tensors) : module.tensors
      for (suffix, tensor) in tensors {
        // LyCORIS ignores alpha for a product of full factors.
        let isScaled = dialect == .kohya && module.rank == nil && suffix == "lokr_w1"
        file.add(
          "\(name).\(dialect == .kohya ? Self.kohyaSuffix(suffix) : suffix)", shape: tensor.shape,
          floats: isScaled ? tensor.values.map { $0 * Float(module.scale) } : tensor.values)
      }
      if dialect == .kohya {
        file.add("\(name).alpha", shape: [], floats: [Float(module.scale * Double(module.rank ?? 1))])
      }
    }
    guard isFolder else { return try file.write(to: path) }
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", path, cause: error)
    }
    try file.write(to: "\(path)/\(Self.weightsFile)")
    let text = (configurations.first?.1 ?? .empty).json + "\n"
    try WholeFile.write(Data(text.utf8), to: "\(path)/\(Self.configurationFile)")
  }

  private static func name(of module: Module, _ dialect: Dialect, inFolder: Bool) -> String {
    switch (dialect, module.component) {
    case (.kohya, _): KohyaNames.name(module.name, module.component)
    case (.peft, _): inFolder ? "base_model.model.\(module.name)" : module.name
    case (.diffusers, _): "\(module.component.rawValue).\(module.name)"
    }
  }

  private static func kohyaSuffix(_ name: String) -> String {
    switch name {
    case "lora_A.weight": "lora_down.weight"
    case "lora_B.weight": "lora_up.weight"
    default: name
    }
  }

  /// The content of `adapter_config.json`: rank and alpha of most modules, and exceptions by name.
  private func configuration(of component: Component) -> SettingsNode {
    let own = modules.filter { $0.component == component }
    let kind = own.first.flatMap { AdapterKind.kinds(of: $0.tensors.keys).first } ?? .lora
    let isLowRank = kind == .lora
    func most(_ values: [Double]) -> Double {
      let counts = Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +)
      return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? 1
    }
    let ranks = own.map { Double($0.rank ?? 1) }
    let alphas = zip(own, ranks).map { $0.scale * $1 }
    let (rank, alpha) = (most(ranks), most(alphas))
    func pattern(_ values: [Double], _ usual: Double, _ node: (Double) -> SettingsNode) -> SettingsNode {
      SettingsNode(
        .section(
          zip(own, values).filter { $1 != usual }.map { SettingsEntry(key: $0.name, node: node($1)) }))
    }
    func number(_ value: Double) -> SettingsNode {
      value == value.rounded() && value < 1e9 ? SettingsNode(Int(value)) : SettingsNode(value)
    }
    let node: SettingsNode = [
      "peft_type": SettingsNode(kind.rawValue.uppercased()),
      "r": number(rank),
      isLowRank ? "lora_alpha" : "alpha": number(alpha),
      "target_modules": SettingsNode(own.map(\.name)),
      "rank_pattern": pattern(ranks, rank, number),
      "alpha_pattern": pattern(alphas, alpha, number),
    ]
    return Self.isDecomposed(own) ? node.setting("use_dora", to: true) : node
  }
}

extension AdapterTensors.Module {
  /// The rank of its tensors; nil for a product of full factors.
  var rank: Int? { AdapterTensors.rank(tensors) }
}
