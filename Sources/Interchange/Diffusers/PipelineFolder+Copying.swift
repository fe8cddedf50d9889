import Files
import Foundation
import Layers
import Safetensors
import Settings
import Tensors

extension PipelineFolder {
  /// Writes a copy of the pipeline: configurations, tokeniser and scheduler unchanged, weights as float32 in one file
  /// per component. Components that this program does not use are omitted.
  ///
  /// - Parameters:
  ///   - directory: must not exist yet; it appears when it is complete.
  ///   - adapters: merged into the weights of the denoiser and the text encoder.
  ///   - tell: see `AdapterSource.tensors`.
  /// - Throws: as `init`, `weights()` and `AdapterSource.merge`.
  public func write(
    to directory: String, merging adapters: [AdapterSource] = [], tell: (String) -> Void = { _ in }
  ) throws {
    guard !FileManager.default.fileExists(atPath: directory) else {
      throw FileError("create", directory, code: EEXIST)
    }
    try Self.whole(directory) { temporary in
      try Self.write(indexOfUsed(), to: "\(temporary)/\(Name.index)")
      try copyFiles(of: Name.scheduler, to: temporary)
      try copyFiles(of: Name.unet, to: temporary)
      try writeWeights(
        model.parameters, denoiserFiles(), to: "\(temporary)/\(Name.unet)/\(Name.weights).safetensors"
      ) {
        try AdapterSource.merge(
          adapters, into: $0, of: model.parameters, besides: text == nil ? [] : [.textEncoder], tell: tell)
      }
      if let control {
        try copyFiles(of: Name.control, to: temporary)
        try writeWeights(
          control.parameters, controlFiles(), to: "\(temporary)/\(Name.control)/\(Name.weights).safetensors")
      }
      if let autoencoder {
        try copyFiles(of: Name.autoencoder, to: temporary)
        try writeWeights(
          autoencoder.parameters, autoencoderFiles(),
          to: "\(temporary)/\(Name.autoencoder)/\(Name.weights).safetensors")
      }
      if let text {
        try copyFiles(of: Name.tokenizer, to: temporary)
        try copyFiles(of: Name.textEncoder, to: temporary)
        try writeWeights(
          text.encoder.parameters, textEncoderFiles(),
          to: "\(temporary)/\(Name.textEncoder)/\(Name.textWeights).safetensors"
        ) {
          // Notes are reported for the denoiser.
          try AdapterSource.merge(
            adapters, into: $0, of: text.encoder.parameters, .textEncoder, besides: [.denoiser]
          ) { _ in }
        }
      }
    }
  }

  /// Lets `body` fill a temporary folder, which is renamed when it is complete.
  static func whole(_ directory: String, _ body: (_ temporary: String) throws -> Void) throws {
    let place = URL(fileURLWithPath: directory)
    let temporary = try WholeFile.makeTemporaryFolder(
      in: place.deletingLastPathComponent().path, name: place.lastPathComponent)
    do {
      try body(temporary)
      try WholeFile.rename(temporary, to: directory)
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }

  /// The index without the omitted components, written as diffusers does for components that a pipeline lacks.
  private func indexOfUsed() throws -> SettingsNode {
    var index = try Self.json("\(path)/\(Name.index)")
    for name in unused { index = index.setting(name, to: SettingsNode(.list([.null, .null]))) }
    let checks = "requires_safety_checker"
    return index[checks] == nil ? index : index.setting(checks, to: false)
  }

  /// Copies the files of a component that contain no weights.
  private func copyFiles(of component: String, to folder: String) throws {
    let source = "\(path)/\(component)"
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: source)
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(component)", withIntermediateDirectories: true)
    } catch {
      throw FileError("copy", source, cause: error)
    }
    for name in names.sorted() where name.hasSuffix(".json") || name.hasSuffix(".txt") {
      guard !name.hasSuffix(".index.json") else { continue }
      try WholeFile.write(Data(try WholeFile.read("\(source)/\(name)")), to: "\(folder)/\(component)/\(name)")
    }
  }

  /// Writes a component's weights under their names in `source`.
  ///
  /// - Parameter change: changes the weights before they are written.
  private func writeWeights(
    _ layout: ParameterLayout, _ source: ComponentWeights, to file: String,
    changing change: (ParameterBuffer) throws -> Void = { _ in }
  ) throws {
    let weights = try StateDict.weights(of: layout, in: source)
    try change(weights)
    var writer = SafetensorsWriter(metadata: ["format": "pt"])
    StateDict.add(layout, from: weights, batches: 0, to: &writer, names: source.storedNames)
    try writer.write(to: file)
  }
}
