import Datasets
import Foundation
import Settings

extension Field {
  /// Its description in a checkpoint, as deterministic bytes.
  ///
  /// - Parameter directory: the dataset's directory, for error messages.
  /// - Throws: `SettingsError`, `EncodingError` for attributes that cannot be encoded.
  func node(of directory: String) throws -> SettingsNode {
    let encoder = JSONEncoder()
    // Otherwise the order of keys differs between processes.
    encoder.outputFormatting = .sortedKeys
    return try SettingsNode(yaml: String(decoding: encoder.encode(self), as: UTF8.self), source: directory)
  }
}
