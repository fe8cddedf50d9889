import Files
import Foundation
import HDF5
import Layers
import Settings
import Tensors

extension Checkpoint {
  /// What a checkpoint says besides the state.
  package struct Provenance {
    let images: Int
    let imageShape: [Int]
    let datasetDigest: String
    let configuration: SettingsNode

    package init(images: Int, imageShape: [Int], datasetDigest: String, configuration: SettingsNode) {
      self.images = images
      self.imageShape = imageShape
      self.datasetDigest = datasetDigest
      self.configuration = configuration
    }
  }

  /// Writes a checkpoint of `state` to `directory`, which appears when it is complete and on the device, not before.
  ///
  /// - Throws: `FileError` where the system refused something, or else `HDF5Error`; nothing is left behind then.
  static func write(_ state: TrainingState, _ provenance: Provenance, to directory: String) throws {
    let url = URL(fileURLWithPath: directory)
    let parent = url.deletingLastPathComponent().path
    let temporary = "\(parent)/.\(url.lastPathComponent)\(CheckpointStore.partial)"
    let files = FileManager.default
    do {
      try? files.removeItem(atPath: temporary)
      do {
        try files.createDirectory(atPath: temporary, withIntermediateDirectories: true)
      } catch {
        throw FileError("create", temporary, cause: error)
      }
      let optimizerFile = Names.optimizerFile(0, of: 1)
      try write(
        [(Names.weights, state.weights), (Names.average, state.average)], of: state.layout.parameters,
        to: "\(temporary)/\(Names.modelFile)")
      try write(
        [(Names.firstMoment, state.firstMoment), (Names.secondMoment, state.secondMoment)],
        of: state.layout.trained,
        to: "\(temporary)/\(optimizerFile)")
      let manifest = CheckpointManifest(
        step: state.step, images: provenance.images, imageShape: provenance.imageShape,
        datasetDigest: provenance.datasetDigest, configuration: provenance.configuration,
        files: try [Names.modelFile, optimizerFile].map { name in
          let path = "\(temporary)/\(name)"
          return .init(name: name, bytes: try WholeFile.size(path), sha256: try SHA256.digest(ofFile: path))
        })
      try WholeFile.write(Data(manifest.json.utf8), to: "\(temporary)/\(CheckpointManifest.fileName)")
      try WholeFile.rename(temporary, to: directory)
    } catch {
      try? files.removeItem(atPath: temporary)
      if let code = (error as? HDF5Error)?.systemErrorNumber {
        throw FileError("write", directory, code: code)
      }
      throw error
    }
  }

  private static func write(
    _ groups: [(name: String, flat: FlatMemory)], of parameters: [Parameter], to path: String
  ) throws {
    let file = try HDF5.File(creating: path)
    for (name, flat) in groups {
      let group = try file.root.createGroup(name)
      for parameter in parameters {
        let dataset = try group.createDataset(parameter.name, of: Float.self, shape: parameter.fileShape)
        try dataset.write(parameter.exported(from: flat.pointer))
      }
    }
    try file.close()
    try WholeFile.synchronize(path)
  }
}
