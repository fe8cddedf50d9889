import Files
import Foundation
import Layers
import Safetensors
import Settings

extension AdapterTensors {
  /// The metadata key under which diffusers stores the configuration of an adapter.
  static let configurationKey = "lora_adapter_metadata"
  /// The files of a peft folder.
  static let configurationFile = "adapter_config.json"
  static let weightsFile = "adapter_model.safetensors"

  /// Whether `path` is a safetensors file of an adapter, or a peft folder.
  public static func isOne(_ path: String) -> Bool {
    let inFolder = "\(path)/\(weightsFile)"
    let isFolder = FileManager.default.fileExists(atPath: inFolder)
    guard let file = try? SafetensorsFile(path: isFolder ? inFolder : path) else { return false }
    return file.names.contains { name in
      AdapterKind.allCases.contains { name.contains(".\($0.tensorPrefix)") } || name.contains(".lora.")
    }
  }

  /// Reads a file of peft, diffusers, kohya's scripts or LyCORIS, or a peft folder.
  ///
  /// - Throws: `ModelFileError` naming a tensor that does not belong to an adapter; `SafetensorsError`, `FileError`,
  ///   `SettingsError`.
  public init(path: String) throws {
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let file = try SafetensorsFile(path: isFolder.boolValue ? "\(path)/\(Self.weightsFile)" : path)
    var parts: [String: Part] = [:]
    for name in file.names {
      guard let place = Self.place(of: name) else {
        throw ModelFileError(file.path, "\(name) is no tensor of an adapter")
      }
      let key = "\(place.component.rawValue).\(place.module)"
      var part = parts[key] ?? Part(component: place.component, name: place.module, isKohya: place.isKohya)
      let tensor = Tensor(shape: try file.shape(of: name), values: try file.floats(name))
      if place.tensor == Self.alphaName {
        part.alpha = tensor.values.first.map(Double.init)
      } else {
        part.tensors[place.tensor] = tensor
      }
      parts[key] = part
    }
    let configuration = try Self.configuration(
      file, folder: (file.path as NSString).deletingLastPathComponent)
    var guessed: [String] = []
    let modules = try parts.values.map { part in
      let tensors = try Self.withOwnMagnitudes(
        part.folded(in: file.path), of: part.name, in: file.path)
      let rank = Self.rank(tensors)
      let published = configuration?(part.component)
      let scale = part.scale(rank: rank) ?? published?.scale(of: part.name, formRank: rank)
      if published?.isDecomposed == true, Set(tensors.keys).isDisjoint(with: AdapterForm.magnitudeNames) {
        throw ModelFileError(
          file.path,
          "lacks \(part.name).\(AdapterForm.magnitudeNames[0]), as its weights are decomposed (use_dora)")
      }
      if scale == nil { guessed.append(part.name) }
      return Module(component: part.component, name: part.name, tensors: tensors, scale: scale ?? 1)
    }
    self.init(
      modules,
      notes: guessed.isEmpty
        ? []
        : [
          "\(file.path) does not say alpha of \(guessed.sorted()[0])"
            + "\(guessed.count > 1 ? " and \(guessed.count - 1) more modules" : ""): it is taken to be the rank"
        ])
  }

  /// The tensors of a module collected while a file is read.
  private struct Part {
    let component: Component
    let name: String
    let isKohya: Bool
    var tensors: [String: Tensor] = [:]
    var alpha: Double?

    /// The scale from the file's own alpha; nil if there is none. LyCORIS ignores alpha for a product of full factors.
    func scale(rank: Int?) -> Double? {
      guard let rank else { return isKohya || alpha != nil ? 1 : nil }
      return alpha.map { $0 / Double(rank) }
    }

    /// The tensors of LoRA, with a separate kernel tensor folded into the first factor.
    func folded(in path: String) throws -> [String: Tensor] {
      guard let middle = tensors[AdapterTensors.middleName] else { return tensors }
      guard let down = tensors["lora_A.weight"], down.shape.count >= 2, middle.shape.count == 4,
        middle.shape[1] == down.shape[0]
      else {
        throw ModelFileError(
          path, "\(name).lora_mid.weight has shape \(middle.shape), which fits no lora_down")
      }
      let (rank, between, inputs) = (middle.shape[0], middle.shape[1], down.shape[1])
      let taps = middle.shape[2] * middle.shape[3]
      var values = [Float](repeating: 0, count: rank * inputs * taps)
      for row in 0..<rank {
        for inner in 0..<between {
          for input in 0..<inputs {
            let factor = down.values[inner * inputs + input]
            for tap in 0..<taps {
              values[(row * inputs + input) * taps + tap] +=
                factor * middle.values[(row * between + inner) * taps + tap]
            }
          }
        }
      }
      var tensors = tensors
      tensors[AdapterTensors.middleName] = nil
      tensors["lora_A.weight"] = Tensor(
        shape: [rank, inputs, middle.shape[2], middle.shape[3]], values: values)
      return tensors
    }
  }

  private static let alphaName = "alpha"
  private static let middleName = "lora_mid.weight"
  /// Other names for peft's tensors.
  private static let synonyms = [
    "lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight",
    "lora.down.weight": "lora_A.weight", "lora.up.weight": "lora_B.weight",
    "lora_magnitude_vector.weight": "lora_magnitude_vector",
  ]

  /// Splits a tensor's name into its module and the tensor's name within it; nil for unknown kinds of names.
  private static func place(
    of name: String
  ) -> (component: Component, module: String, tensor: String, isKohya: Bool)? {
    let known = AdapterForm.tensorNames + [alphaName, middleName] + synonyms.keys
    guard let suffix = known.filter({ name.hasSuffix(".\($0)") }).max(by: { $0.count < $1.count }) else {
      return nil
    }
    var module = String(name.dropLast(suffix.count + 1))
    let tensor = synonyms[suffix] ?? suffix
    if let (component, name) = KohyaNames.module(module) { return (component, name, tensor, true) }
    for prefix in ["base_model.model.", "unet.", "denoiser."] where module.hasPrefix(prefix) {
      module = String(module.dropFirst(prefix.count))
    }
    guard module.hasPrefix("text_encoder.") else { return (.denoiser, module, tensor, false) }
    return (
      .textEncoder, KohyaNames.withoutTextPrefix(String(module.dropFirst("text_encoder.".count))), tensor,
      false
    )
  }

  static func rank(_ tensors: [String: Tensor]) -> Int? {
    AdapterKind.allCases.flatMap(\.rankNames).lazy.compactMap { tensors[$0]?.shape.first }.first
  }

  /// The source of alpha and rank for each component, if there is one.
  private static func configuration(
    _ file: SafetensorsFile, folder: String
  ) throws -> ((Component) -> PublishedAdapterConfiguration)? {
    let beside = "\(folder.isEmpty ? "." : folder)/\(configurationFile)"
    let node: SettingsNode
    if let text = file.metadata[configurationKey] {
      node = try SettingsNode(yaml: text, source: "\(file.path), metadata \(configurationKey)")
    } else if FileManager.default.fileExists(atPath: beside) {
      node = try SettingsNode(yaml: String(decoding: WholeFile.read(beside), as: UTF8.self), source: beside)
    } else {
      return nil
    }
    return { PublishedAdapterConfiguration(node, $0) }
  }
}
