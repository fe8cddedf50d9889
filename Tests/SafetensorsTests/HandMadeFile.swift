import Foundation
import Safetensors

/// The bytes of a file, put together without the code under test.
struct HandMadeFile: Sendable {
  var bytes: [UInt8]

  init(bytes: [UInt8]) { self.bytes = bytes }

  init(header: String, data: [UInt8] = []) { self.init(header: Array(header.utf8), data: data) }

  init(header: [UInt8], data: [UInt8] = []) {
    bytes = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) } + header + data
  }

  /// Runs `body` with the path of a file of these bytes.
  func withFile<Result>(_ body: (String) throws -> Result) throws -> Result {
    try withTemporaryDirectory { directory in
      let path = directory.file("hand-made.safetensors")
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      return try body(path)
    }
  }

  /// Runs `body` with the file opened.
  func opened<Result>(_ body: (SafetensorsFile) throws -> Result) throws -> Result {
    try withFile { try body(SafetensorsFile(path: $0)) }
  }
}
