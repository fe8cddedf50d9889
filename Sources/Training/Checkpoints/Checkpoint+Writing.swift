import Files
import Foundation
import HDF5
import Layers
import Settings
import Tensors

extension Checkpoint {
  /// What a checkpoint says besides the state.
  package struct Provenance: Sendable {
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
  static func write(
    _ state: TrainingState, _ provenance: Provenance, partBytes: Int, to directory: String
  ) throws {
    let url = URL(fileURLWithPath: directory)
    let temporary =
      "\(url.deletingLastPathComponent().path)/.\(url.lastPathComponent)\(CheckpointStore.partial)"
    try? FileManager.default.removeItem(atPath: temporary)
    do {
      try writeFiles(state, provenance, partBytes: partBytes, to: temporary)
      try WholeFile.rename(temporary, to: directory)
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }

  /// Writes the files of a checkpoint of `state` to the folder `folder`.
  ///
  /// - Throws: `FileError` where the system refused something, or else `HDF5Error`.
  package static func writeFiles(
    _ state: TrainingState, _ provenance: Provenance, partBytes: Int, to folder: String
  ) throws {
    let files = try CheckpointPlan(state.layout, partBytes: partBytes).files.map { file in
      try write(file, to: folder) { (state[$0], 0) }
    }
    try CheckpointManifest(step: state.step, provenance, files: files).write(to: folder)
  }

  /// Writes one file to `folder`, which is made if it is not there.
  ///
  /// - Parameters:
  ///   - checkCancellation: called from time to time; what it throws ends the writing.
  ///   - source: where to find the values: memory, and where in the flat memory that begins.
  /// - Returns: what the manifest says of it.
  /// - Throws: `FileError` where the system refused something, or else `HDF5Error`.
  static func write(
    _ file: CheckpointPlan.File, to folder: String, checkCancellation: () throws -> Void = {},
    from source: (CheckpointPlan.Member) -> (memory: FlatMemory, start: Int)
  ) throws -> CheckpointManifest.File {
    let path = "\(folder)/\(file.name)"
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", folder, cause: error)
    }
    do {
      let output = try HDF5.File(creating: path)
      for member in file.members {
        let group = try output.root.createGroup(member.rawValue)
        let (memory, start) = source(member)
        for parameter in file.parameters {
          try checkCancellation()
          let dataset = try group.createDataset(parameter.name, of: Float.self, shape: parameter.fileShape)
          try dataset.write(parameter.exported(from: memory.pointer, startingAt: start))
        }
      }
      try output.close()
    } catch let error as HDF5Error {
      guard let code = error.systemErrorNumber else { throw error }
      throw FileError("write", path, code: code)
    }
    try WholeFile.synchronize(path)
    try checkCancellation()
    // Read back, not remembered: it is the file's content that has to be found again.
    return CheckpointManifest.File(
      name: file.name, bytes: try WholeFile.size(path), sha256: try SHA256.digest(ofFile: path))
  }
}

extension CheckpointManifest {
  init(step: Int, _ provenance: Checkpoint.Provenance, files: [File]) {
    self.init(
      step: step, images: provenance.images, imageShape: provenance.imageShape,
      datasetDigest: provenance.datasetDigest, configuration: provenance.configuration, files: files)
  }

  /// - Throws: `FileError`.
  func write(to folder: String) throws {
    try WholeFile.write(Data(json.utf8), to: "\(folder)/\(Self.fileName)")
  }
}

extension TrainingState {
  subscript(_ member: CheckpointPlan.Member) -> FlatMemory {
    switch member {
    case .weights: weights
    case .average: average
    case .firstMoment: firstMoment
    case .secondMoment: secondMoment
    }
  }
}
