import Datasets
import Files
import Foundation

/// Encoded parts, each in a file named by its key. A file exists only once complete; all are kept until the dataset has
/// been written.
package struct PartStore {
  package let folder: String
  let recordSize: Int

  private static let digestSize = 64

  /// - Parameter output: the directory of the dataset being written.
  package init(in output: String, recordSize: Int) {
    folder = "\(output)/\(DatasetWriter.workName)"
    self.recordSize = recordSize
  }

  package func path(_ key: String) -> String { "\(folder)/\(key)" }

  /// Creates the folder.
  ///
  /// - Throws: `FileError`.
  package func make() throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create the directory", folder, cause: error)
    }
  }

  /// Removes the folder with all parts.
  package func remove() { try? FileManager.default.removeItem(atPath: folder) }

  /// Whether a part with this many samples is present.
  package func holds(_ key: String, count: Int) -> Bool {
    (try? WholeFile.size(path(key))) == count * recordSize + Self.digestSize
  }

  /// - Throws: `FileError`.
  package func write(_ records: [UInt8], key: String) throws {
    try WholeFile.write(records + Array(Self.digest(of: records[...]).utf8), to: path(key))
  }

  /// The records of a part.
  ///
  /// - Throws: `FileError`; `LatentEncodingError` if the records differ from those written.
  package func read(_ key: String) throws -> [UInt8] {
    let all = try WholeFile.read(path(key))
    let records = all.dropLast(Self.digestSize)
    guard Array(all.suffix(Self.digestSize)) == Array(Self.digest(of: records).utf8) else {
      throw LatentEncodingError(path: path(key), problem: "was altered: remove it, and encode again")
    }
    return Array(records)
  }

  private static func digest(of bytes: ArraySlice<UInt8>) -> String {
    let stream = SHA256.Stream()
    bytes.withUnsafeBytes { stream.append($0) }
    return stream.finish()
  }
}
