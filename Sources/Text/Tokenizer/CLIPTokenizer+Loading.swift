import Files
import Foundation

extension CLIPTokenizer {
  /// The number of positions of CLIP's text transformers.
  public static let standardContextLength = 77

  /// Reads a tokeniser.
  ///
  /// - Parameter path: a transformers folder with `vocab.json` and `merges.txt`, or `tokenizer.json`; a pipeline folder
  ///   that contains such a folder as `tokenizer`; or CLIP's original merges file, plain or compressed with gzip, or a
  ///   folder that contains it under its original name.
  /// - Throws: ``TokenizerError``; `FileError`.
  public convenience init(path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw TokenizerError(path, "does not exist; expected a tokeniser's folder or a merges file")
    }
    guard isFolder.boolValue else {
      try self.init(mergesFile: path)
      return
    }
    let has = { (name: String) in FileManager.default.fileExists(atPath: "\(path)/\(name)") }
    if has("model_index.json"), has("tokenizer") {
      try self.init(folder: "\(path)/tokenizer")
    } else if !has("vocab.json"), !has("tokenizer.json"),
      let file = ["bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"].first(where: has)
    {
      try self.init(mergesFile: "\(path)/\(file)")
    } else {
      try self.init(folder: path)
    }
  }
}
