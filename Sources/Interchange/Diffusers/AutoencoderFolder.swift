import Checkpoints
import Files
import Foundation
import Models
import Safetensors
import Settings

/// A folder for diffusers' `AutoencoderKL.from_pretrained`: `config.json` and a safetensors file of the weights.
enum AutoencoderFolder {
  /// Writes the weights of an autoencoder's checkpoint.
  ///
  /// - Parameter directory: must not exist yet; it appears when it is complete.
  /// - Throws: `FileError`, `CheckpointError`.
  static func export(
    _ checkpoint: Checkpoint, _ model: AutoencoderKL, weights which: StateMember, to directory: String
  ) throws {
    let manifest = checkpoint.manifest
    let configuration = try (manifest.configuration["model"] ?? .empty).published(
      as: String(describing: AutoencoderKL.self), of: checkpoint.directory
    ).setting("sample_size", to: SettingsNode(max(manifest.imageShape[0], manifest.imageShape[1])))
    let place = URL(fileURLWithPath: directory)
    let temporary = try WholeFile.makeTemporaryFolder(
      in: place.deletingLastPathComponent().path, name: place.lastPathComponent)
    do {
      try WholeFile.write(
        Data((configuration.json + "\n").utf8), to: "\(temporary)/\(PipelineFolder.Name.configuration)")
      var file = SafetensorsWriter(metadata: ["format": "pt"])
      StateDict.add(
        model.parameters, from: try checkpoint.weights(which, layout: model.parameters),
        batches: manifest.step, to: &file)
      try file.write(to: "\(temporary)/\(PipelineFolder.Name.weights)")
      try WholeFile.rename(temporary, to: directory)
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }
}
