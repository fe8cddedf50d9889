/// A problem with a safetensors file, and its location. Failed system calls throw `FileError` instead.
public struct SafetensorsError: Error, Equatable, Sendable {
  public enum Problem: Equatable, Sendable {
    /// A directory, a pipe or anything else without contents of a fixed size.
    case notARegularFile
    /// The data end early: the file is shorter than the eight bytes of the header length, or was truncated while being
    /// read.
    case truncated(needed: UInt64, found: UInt64)
    /// The header cannot have the length stated in the file's first eight bytes.
    case headerLength(UInt64, limit: UInt64)
    /// The header is not valid JSON of the expected structure. `byte` counts from the start of the header.
    case header(byte: Int, String)
    case duplicateName
    case unknownType(String)
    /// The shape's element count, or its size in bytes, overflows.
    case shapeOverflow([Int])
    /// The size implied by the shape differs from that implied by the offsets.
    case sizeMismatch(shape: [Int], type: ElementType, bytes: Int)
    /// Offsets that are reversed or extend beyond the data.
    case offsetsOutOfRange(begin: Int, end: Int, dataSize: Int)
    /// The tensor's data overlaps that of another.
    case overlap(with: String)
    /// Bytes of the data that belong to no tensor.
    case hole(begin: Int, end: Int)
    /// There is no tensor of that name; `present` lists those in the file.
    case missing(present: [String])
    /// The tensor's element type is not supported by the caller.
    case wrongType(found: ElementType, expected: [ElementType])
  }

  public let file: String
  /// The tensor's name, or nil if the problem concerns the whole file.
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
