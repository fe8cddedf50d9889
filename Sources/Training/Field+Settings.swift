import Datasets
import Foundation
import Settings

extension Field {
  /// What a checkpoint says of it, the same bytes each time.
  ///
  /// - Parameter directory: of the dataset, for messages.
  /// - Throws: `SettingsError`, `EncodingError` for attributes that cannot be written.
  func node(of directory: String) throws -> SettingsNode {
    let encoder = JSONEncoder()
    // Otherwise keys are in another order in each process.
    encoder.outputFormatting = .sortedKeys
    return try SettingsNode(yaml: String(decoding: encoder.encode(self), as: UTF8.self), source: directory)
  }
}
