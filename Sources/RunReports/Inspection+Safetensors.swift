import Safetensors
import Settings

extension Inspection {
  /// Describes a file of named tensors: its metadata, and each tensor's type and shape.
  ///
  /// - Throws: `SafetensorsError`, `FileError`.
  static func safetensors(_ path: String) throws -> SettingsNode {
    let file = try SafetensorsFile(path: path)
    let shapes = try file.names.map { try file.shape(of: $0) }
    let metadata = file.metadata.sorted { $0.key < $1.key }.map { key, text in
      SettingsEntry(key: key, node: metadataNode(text, source: "\(path), metadata \(key)"))
    }
    return [
      "kind": "safetensors",
      "metadata": SettingsNode(.section(metadata)),
      "values": SettingsNode(shapes.reduce(0) { $0 + $1.reduce(1, *) }),
      "tensors": SettingsNode(
        .list(
          try zip(file.names, shapes).map { name, shape in
            [
              "name": SettingsNode(name), "type": SettingsNode(try file.elementType(of: name).rawValue),
              "shape": SettingsNode(shape),
            ] as SettingsNode
          })),
    ]
  }

  /// Text that is a JSON object or list, such as a configuration, as what it contains.
  private static func metadataNode(_ text: String, source: String) -> SettingsNode {
    guard text.hasPrefix("{") || text.hasPrefix("["), let node = try? SettingsNode(yaml: text, source: source)
    else { return SettingsNode(text) }
    return node
  }
}
