import Files
import Foundation
import HDF5
import Layers
import Settings
import Tensors

extension Checkpoint {
  /// What a checkpoint records in addition to the state.
  package struct Provenance: Sendable {
    let images: Int
    let imageShape: [Int]
    let datasetDigest: String
    let classNames: [String]
    let baseDigest: String?
    let field: SettingsNode?
    let conditionFields: [SettingsNode]
    let latents: LatentSpace?
    let texts: TextSpace?
    let perceptualDigest: String?
    let configuration: SettingsNode

    package init(
      images: Int, imageShape: [Int], datasetDigest: String, classNames: [String],
      baseDigest: String? = nil, field: SettingsNode? = nil, conditionFields: [SettingsNode] = [],
      latents: LatentSpace? = nil, texts: TextSpace? = nil, perceptualDigest: String? = nil,
      configuration: SettingsNode
    ) {
      self.images = images
      self.imageShape = imageShape
      self.datasetDigest = datasetDigest
      self.classNames = classNames
      self.baseDigest = baseDigest
      self.field = field
      self.conditionFields = conditionFields
      self.latents = latents
      self.texts = texts
      self.perceptualDigest = perceptualDigest
      self.configuration = configuration
    }
  }

  /// Writes a checkpoint of `state` to `directory`, which only appears once it is complete and flushed to the device.
  ///
  /// - Throws: `FileError` for a failed system call, otherwise `HDF5Error`; in either case, nothing is left behind.
  package static func write(
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

  /// Writes the files of a checkpoint of `state` to `folder`.
  ///
  /// - Throws: `FileError` for a failed system call, otherwise `HDF5Error`.
  package static func writeFiles(
    _ state: TrainingState, _ provenance: Provenance, partBytes: Int, to folder: String
  ) throws {
    let files = try CheckpointPlan(state.layout, state.schema, partBytes: partBytes).files.map { file in
      try write(file, to: folder) { (state[$0], 0) }
    }
    try CheckpointManifest(step: state.step, provenance, files: files).write(to: folder)
  }

  /// Writes one file to `folder`, which is created if necessary.
  ///
  /// - Parameters:
  ///   - checkCancellation: called from time to time; throws to abort the writing.
  ///   - source: returns the buffer that holds a member's values, and the buffer's start in the flat buffer.
  /// - Returns: the file's entry in the manifest.
  /// - Throws: `FileError` for a failed system call, otherwise `HDF5Error`.
  static func write(
    _ file: CheckpointPlan.File, to folder: String, checkCancellation: () throws -> Void = {},
    from source: (StateMember) -> (memory: ParameterBuffer, start: Int)
  ) throws -> CheckpointManifest.File {
    let path = "\(folder)/\(file.name)"
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", folder, cause: error)
    }
    let places: [Place]
    do {
      places = try layOut(file, in: path)
    } catch let error as HDF5Error {
      guard let code = error.systemErrorNumber else { throw error }
      throw FileError("write", path, code: code)
    }
    // The values are written to the offsets allocated by libhdf5 without using the library: in a single pass, in file
    // order, while computing the digest.
    let output = try OverwrittenFile(path)
    for place in places {
      try checkCancellation()
      try output.keep(until: place.offset)
      let (memory, start) = source(place.member)
      try place.tensor.exportStretches(from: memory.pointer, startingAt: start) {
        try output.append(UnsafeRawBufferPointer($0))
      }
    }
    let (bytes, digest) = try output.finish()
    return CheckpointManifest.File(name: file.name, bytes: bytes, sha256: digest)
  }

  /// Where in a file the values of a tensor are stored.
  private struct Place {
    let offset: Int
    let member: StateMember
    let tensor: FileTensor
  }

  /// Creates a file that is complete except for the values; returns their places in ascending order.
  private static func layOut(_ file: CheckpointPlan.File, in path: String) throws -> [Place] {
    let output = try HDF5.File(creating: path)
    var places: [Place] = []
    for member in file.members {
      let group = try output.root.createGroup(member.name)
      for tensor in file.parameters.flatMap(\.fileTensors) {
        let dataset = try group.createDataset(
          tensor.name, of: Float.self, shape: tensor.shape, layout: .reserved)
        guard let offset = try dataset.offset() else {
          preconditionFailure("\(dataset.path) of shape \(tensor.shape) has no place in \(path)")
        }
        places.append(Place(offset: offset, member: member, tensor: tensor))
      }
    }
    try output.close()
    return places.sorted { $0.offset < $1.offset }
  }
}

extension CheckpointManifest {
  init(step: Int, _ provenance: Checkpoint.Provenance, files: [File]) {
    self.init(
      step: step, images: provenance.images, imageShape: provenance.imageShape,
      datasetDigest: provenance.datasetDigest, classNames: provenance.classNames,
      baseDigest: provenance.baseDigest, field: provenance.field,
      conditionFields: provenance.conditionFields, latents: provenance.latents,
      texts: provenance.texts, perceptualDigest: provenance.perceptualDigest,
      configuration: provenance.configuration, files: files)
  }

  /// - Throws: `FileError`.
  func write(to folder: String) throws {
    try WholeFile.write(Data(json.utf8), to: "\(folder)/\(Self.fileName)")
  }
}
