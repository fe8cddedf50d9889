/// What is wrong with a safetensors file, and where. What the system refuses is a `FileError`.
public struct SafetensorsError: Error, Equatable, Sendable {
  public enum Problem: Equatable, Sendable {
    /// A directory, a pipe or another thing that has no content of a fixed size.
    case notARegularFile
    /// Data ended early: shorter than the eight bytes of the header's length, or cut while it was being read.
    case truncated(needed: UInt64, found: UInt64)
    /// The header cannot be as long as the file's first eight bytes say.
    case headerLength(UInt64, limit: UInt64)
    /// The header is not the JSON that the format asks for. `byte` counts from the header's start.
    case header(byte: Int, String)
    case duplicateName
    case unknownType(String)
    /// The shape's element count, or its size in bytes, is beyond any memory.
    case shapeOverflow([Int])
    /// The shape asks for another number of bytes than the offsets give.
    case sizeMismatch(shape: [Int], type: ElementType, bytes: Int)
    /// Offsets that are reversed or end outside of the data.
    case offsetsOutOfRange(begin: Int, end: Int, dataSize: Int)
    /// The data starts before the end of another tensor's.
    case overlap(with: String)
    /// Bytes of the data that belong to no tensor.
    case hole(begin: Int, end: Int)
    /// The file has no such tensor; it has `present`.
    case missing(present: [String])
    /// The tensor's elements are not of a type that the caller can take.
    case wrongType(found: ElementType, expected: [ElementType])
  }

  public let file: String
  /// The tensor's name, or nil when the problem is the file's as a whole.
  public let tensor: String?
  public let problem: Problem

  init(_ file: String, tensor: String? = nil, _ problem: Problem) {
    self.file = file
    self.tensor = tensor
    self.problem = problem
  }
}

extension SafetensorsError: CustomStringConvertible {
  public var description: String {
    "\(file)\(tensor.map { ", tensor \(quoted($0))" } ?? ""): \(explanation)"
  }

  private var explanation: String {
    switch problem {
    case .notARegularFile:
      return "not a regular file; expected a safetensors file"
    case .truncated(let needed, let found):
      return "ends after \(found) bytes where \(needed) are needed; it was cut short, copy or write it again"
    case .headerLength(let length, let limit):
      return "its first eight bytes say that \(length) bytes of header follow, where at most \(limit) can; "
        + "it was cut short, or is not a safetensors file"
    case .header(let byte, let what):
      return "byte \(byte) of the header: \(what)"
    case .duplicateName:
      return "named twice in the header"
    case .unknownType(let name):
      let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
      return "its dtype \(quoted(name)) is unknown; expected one of \(known)"
    case .shapeOverflow(let shape):
      return "its shape \(shape) has more elements than any memory"
    case .sizeMismatch(let shape, let type, let bytes):
      return
        "its shape \(shape) of \(type.rawValue) does not fill the \(bytes) bytes that data_offsets give it"
    case .offsetsOutOfRange(let begin, let end, let dataSize):
      return "its data_offsets [\(begin), \(end)] do not lie in the file's \(dataSize) bytes of data"
    case .overlap(let other):
      return "its data overlaps that of \(quoted(other))"
    case .hole(let begin, let end):
      return "bytes \(begin) to \(end) of the data belong to no tensor"
    case .missing(let present):
      let shown = present.prefix(8).map(quoted).joined(separator: ", ")
      let rest = present.count > 8 ? " and \(present.count - 8) more" : ""
      return "not in the file, which has \(present.isEmpty ? "no tensors" : shown + rest)"
    case .wrongType(let found, let expected):
      let names = expected.map(\.rawValue)
      return "its elements are \(found.rawValue), expected \(names.joined(separator: " or "))"
    }
  }

  private func quoted(_ name: String) -> String { "'\(name)'" }
}
