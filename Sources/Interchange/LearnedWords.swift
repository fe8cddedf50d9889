import Checkpoints
import Configuration
import Foundation
import Safetensors

/// Words learned by textual inversion, in files: diffusers' `learned_embeds.safetensors`, whose tensors [D] or [n, D]
/// are named after the words; files of other programs with one tensor `emb_params`; runs.
public enum LearnedWords {
  /// The tensor of files that do not name the word; the word is then the file name.
  private static let unnamed = "emb_params"

  /// - Returns: each word with its vectors.
  /// - Throws: `ModelFileError` for a file without words; `SafetensorsError`, `CheckpointError`, `FileError`.
  public static func read(_ path: String) throws -> [(text: String, vectors: [[Float]])] {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ModelFileError(path, "there is no such embedding")
    }
    if isFolder.boolValue {
      return try Checkpoint.read(at: path, onDamage: { _ in }) { checkpoint in
        [try word(of: checkpoint, weights: .weights(named: StateSchema.ema))]
      }
    }
    let file = try SafetensorsFile(path: path)
    return try file.names.sorted().map { name in
      let shape = try file.shape(of: name)
      guard (1...2).contains(shape.count), let width = shape.last, width > 0, shape[0] > 0 else {
        throw ModelFileError(path, "\(name) has shape \(shape), expected [D] or [n, D] of a word's vectors")
      }
      let values = try file.floats(name)
      guard values.allSatisfy(\.isFinite) else {
        throw ModelFileError(path, "\(name) holds values that are NaN or infinite")
      }
      let text =
        name == unnamed ? URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent : name
      return (text, stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) })
    }
  }

  /// The word that a checkpoint's run trains.
  ///
  /// - Throws: `ModelFileError` if it trains none; `CheckpointError`.
  public static func word(
    of checkpoint: Checkpoint, weights member: StateMember
  ) throws -> (text: String, vectors: [[Float]]) {
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    guard let table = configuration.inversion?.table else {
      throw ModelFileError(checkpoint.directory, "has learned no word: a run with the section inversion does")
    }
    return (table.word, table.values(try checkpoint.weights(member, layout: table.parameters)))
  }

  /// Writes a checkpoint's word in the format of diffusers' `load_textual_inversion`.
  ///
  /// - Throws: as `word`; `FileError`.
  static func export(_ checkpoint: Checkpoint, weights member: StateMember, to path: String) throws {
    let (text, vectors) = try word(of: checkpoint, weights: member)
    var file = SafetensorsWriter(metadata: ["format": "pt"])
    file.add(text, shape: [vectors.count, vectors[0].count], floats: Array(vectors.joined()))
    try file.write(to: path)
  }
}
