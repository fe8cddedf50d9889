import Files
import Foundation
import Safetensors
import Settings

/// The weights of one component of a pipeline folder: one safetensors file, or the shards that an index lists, under the
/// names that the component's class has for them today.
struct ComponentWeights: TensorSource {
  /// The file, or the index.
  let path: String
  /// All files that hold weights.
  let files: [String]
  let names: [String]
  private let places: [String: (file: SafetensorsFile, name: String)]

  /// - Parameters:
  ///   - folder: the component's.
  ///   - stem: the file's name before `.safetensors`.
  ///   - current: today's name of a tensor; nil for one that computes nothing.
  /// - Throws: `ModelFileError` where files, or tensors of an index, are missing; `SafetensorsError`, `FileError`.
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

  /// The files that an index names, in the order of their names.
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

  /// - Throws: `ModelFileError` where the index lists what its files lack.
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

  /// What the files call each tensor.
  var storedNames: [String: String] { places.mapValues(\.name) }

  private func place(of name: String) throws -> (file: SafetensorsFile, name: String) {
    guard let place = places[name] else { throw ModelFileError(path, "lacks \(name)") }
    return place
  }
}
