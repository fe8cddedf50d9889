import Files
import Foundation
import Safetensors
import Settings

/// The weights of one component of a pipeline folder: one safetensors file, or the shards listed in an index, under the
/// current names of the component's class.
struct ComponentWeights: TensorSource {
  /// The file, or the index.
  let path: String
  /// All files that hold weights.
  let files: [String]
  let names: [String]
  private let places: [String: (file: SafetensorsFile, name: String)]

  /// - Parameters:
  ///   - folder: the component's folder.
  ///   - stem: the file name before `.safetensors`.
  ///   - current: maps a tensor's stored name to its current name; nil for a tensor that is not used.
  /// - Throws: `ModelFileError` if files, or tensors listed in an index, are missing; `SafetensorsError`, `FileError`.
  init(folder: String, stem: String, current: (String) -> String?) throws {
    let single = "\(folder)/\(stem).safetensors"
    let index = "\(single).index.json"
    if FileManager.default.fileExists(atPath: single) {
      path = single
      files = [single]
    } else if FileManager.default.fileExists(atPath: index) {
      path = index
      files = try Self.shards(of: index, in: folder)
    } else {
      throw ModelFileError(folder, Self.absence(of: stem, in: folder))
    }
    var places: [String: (file: SafetensorsFile, name: String)] = [:]
    for file in try files.map({ try SafetensorsFile(path: $0) }) {
      for name in file.names {
        guard let wanted = current(name) else { continue }
        guard places.updateValue((file, name), forKey: wanted) == nil else {
          throw ModelFileError(file.path, "\(wanted) is there twice")
        }
      }
    }
    self.places = places
    names = places.keys.sorted()
    if path == index { try requireListed(current) }
  }

  /// The files listed in an index, sorted by name.
  private static func shards(of index: String, in folder: String) throws -> [String] {
    let names = try Set(list(of: index).map(\.file)).sorted()
    guard !names.isEmpty else { throw ModelFileError(index, "lists no tensors") }
    for name in names {
      guard name == URL(fileURLWithPath: name).lastPathComponent,
        FileManager.default.fileExists(atPath: "\(folder)/\(name)")
      else {
        throw ModelFileError(
          index, "lists tensors in \(name), which is not in the folder: fetch all \(names.count) of its files"
        )
      }
    }
    return names.map { "\(folder)/\($0)" }
  }

  private static func list(of index: String) throws -> [(tensor: String, file: String)] {
    let node = try SettingsNode(yaml: String(decoding: WholeFile.read(index), as: UTF8.self), source: index)
    guard let entries = node["weight_map"]?.entries else {
      throw ModelFileError(index, "has no weight_map, which says where each tensor is")
    }
    return try entries.map { entry in
      guard case .scalar(let file) = entry.node.content else {
        throw ModelFileError(index, "does not name the file of \(entry.key)")
      }
      return (entry.key, file.text)
    }
  }

  /// - Throws: `ModelFileError` if the index lists tensors that its files lack.
  private func requireListed(_ current: (String) -> String?) throws {
    for (tensor, file) in try Self.list(of: path) {
      if let name = current(tensor), places[name] == nil {
        throw ModelFileError(path, "lists \(tensor) in \(file), which does not have it")
      }
    }
  }

  private static func absence(of stem: String, in folder: String) -> String {
    let there = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let advice =
      there.contains { $0.hasSuffix(".bin") }
      ? "; pickled weights (.bin) are not read: save the model with safe_serialization=True" : ""
    return "has no weights: neither \(stem).safetensors nor \(stem).safetensors.index.json\(advice)"
  }

  func shape(of name: String) throws -> [Int] {
    let place = try place(of: name)
    return try place.file.shape(of: place.name)
  }

  func floats(_ name: String) throws -> [Float] {
    let place = try place(of: name)
    return try place.file.floats(place.name)
  }

  /// The stored name of each tensor.
  var storedNames: [String: String] { places.mapValues(\.name) }

  private func place(of name: String) throws -> (file: SafetensorsFile, name: String) {
    guard let place = places[name] else { throw ModelFileError(path, "lacks \(name)") }
    return place
  }
}
