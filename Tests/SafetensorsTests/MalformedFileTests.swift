import Files
import Foundation
import Safetensors
import Testing

/// A file that must be refused, and how.
struct MalformedFile: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let file: HandMadeFile
  let tensor: String?
  let problem: SafetensorsError.Problem

  init(
    _ description: String, _ file: HandMadeFile, tensor: String? = nil, _ problem: SafetensorsError.Problem
  ) {
    testDescription = description
    self.file = file
    self.tensor = tensor
    self.problem = problem
  }

  /// A file with one entry 't' and 8 bytes of data.
  static func entry(
    _ description: String, _ entry: String, _ problem: SafetensorsError.Problem
  ) -> MalformedFile {
    MalformedFile(
      description, HandMadeFile(header: #"{"t":\#(entry)}"#, data: Array(0..<8)), tensor: "t", problem)
  }

  /// A file with entries of U8 that lie at the offsets given.
  static func offsets(
    _ description: String, _ ranges: [(String, Range<Int>)], dataSize: Int, tensor: String? = nil,
    _ problem: SafetensorsError.Problem
  ) -> MalformedFile {
    let entries = ranges.map { name, range in
      #""\#(name)":{"dtype":"U8","shape":[\#(range.count)],"data_offsets":[\#(range.lowerBound),\#(range.upperBound)]}"#
    }
    let header = "{\(entries.joined(separator: ","))}"
    let data = [UInt8](repeating: 0, count: dataSize)
    return MalformedFile(description, HandMadeFile(header: header, data: data), tensor: tensor, problem)
  }
}

@Suite("Malformed files are refused with what, where and why")
struct MalformedFileTests {
  @Test(arguments: lengths + texts + entries + layouts)
  func refused(_ malformed: MalformedFile) throws {
    try malformed.file.withFile { path in
      let error = try #require(throws: SafetensorsError.self) { try SafetensorsFile(path: path) }
      #expect(error.problem == malformed.problem)
      #expect(error.tensor == malformed.tensor)
      #expect(error.file == path)
      #expect(error.description.contains(path))
      if let tensor = malformed.tensor { #expect(error.description.contains("'\(tensor)'")) }
    }
  }

  static let lengths: [MalformedFile] = [
    MalformedFile("empty file", HandMadeFile(bytes: []), .truncated(needed: 8, found: 0)),
    MalformedFile(
      "shorter than the length", HandMadeFile(bytes: [2, 0, 0]), .truncated(needed: 8, found: 3)),
    MalformedFile(
      "header cut short", HandMadeFile(bytes: [3, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)),
      .headerLength(3, limit: 2)),
    MalformedFile(
      "length beyond signed numbers", HandMadeFile(bytes: [UInt8](repeating: 0xff, count: 16)),
      .headerLength(.max, limit: 8)),
    MalformedFile(
      "a foreign file", HandMadeFile(bytes: Array("PK, says another format".utf8)),
      .headerLength(0x7961_7320_2c4b_50 | 0x73 << 56, limit: 15)),
    MalformedFile("no header", HandMadeFile(header: ""), .header(byte: 0, "expected '{'")),
  ]

  static let texts: [MalformedFile] =
    [
      ("not JSON", "hello", 0, "expected '{'"),
      ("a list", "[]", 0, "expected '{'"),
      ("leading space", " {}", 0, "expected '{'"),
      ("unfinished", "{", 1, "expected a string"),
      ("trailing comma", #"{"__metadata__":{},}"#, 19, "expected a string"),
      ("two objects", "{}{}", 2, "expected the header's end"),
      ("padding with zeros", "{}\0\0", 2, "expected the header's end"),
      ("no colon", #"{"a" {}}"#, 5, "expected ':' after \"a\""),
      ("no comma", #"{"__metadata__":{"a":"b" "c":"d"}}"#, 25, "expected ',' or '}'"),
      ("metadata is null", #"{"__metadata__":null}"#, 16, "expected an object"),
      ("metadata holds a number", #"{"__metadata__":{"a":1}}"#, 21, "expected a string"),
      ("metadata twice", #"{"__metadata__":{"a":"","a":""}}"#, 30, "the metadata name \"a\" twice"),
      ("string without end", #"{"ab"#, 4, "the header ends inside a string"),
      ("escape without end", #"{"a\"#, 4, "the header ends inside a string"),
      ("unknown escape", #"{"a\x"}"#, 3, "an unknown escape in a string"),
      ("half an escape", #"{"\u12"}"#, 6, "expected four hexadecimal digits"),
      ("lone surrogate", #"{"\ud83d"}"#, 2, "half of a surrogate pair in a string"),
      ("lone trailing surrogate", #"{"\ude00"}"#, 2, "half of a surrogate pair in a string"),
      ("surrogate and letter", #"{"\ud83d\u0041"}"#, 2, "half of a surrogate pair in a string"),
      ("raw line feed", "{\"a\nb\"}", 3, "a string holds a control character"),
    ].map { description, header, byte, what in
      MalformedFile(description, HandMadeFile(header: header), .header(byte: byte, what))
    } + [
      MalformedFile(
        "not UTF-8", HandMadeFile(header: Array("{\"".utf8) + [0xc3, 0x28] + Array("\":{}}".utf8)),
        .header(byte: 4, "a string is not UTF-8"))
    ]

  static let entries: [MalformedFile] = [
    .entry("entry is a string", #""F32""#, .header(byte: 5, "expected an object")),
    .entry("empty entry", "{}", .header(byte: 7, "expected a dtype, a shape and two data_offsets")),
    .entry(
      "no shape", #"{"dtype":"F32","data_offsets":[0,8]}"#,
      .header(byte: 41, "expected a dtype, a shape and two data_offsets")),
    .entry(
      "three offsets", #"{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}"#,
      .header(byte: 55, "expected a dtype, a shape and two data_offsets")),
    .entry("key twice", #"{"dtype":"F32","dtype":"F32"}"#, .header(byte: 28, "\"dtype\" twice")),
    .entry(
      "unknown key", #"{"type":"F32"}"#,
      .header(byte: 13, "unknown key \"type\"; expected dtype, shape and data_offsets")),
    .entry("dtype is a number", #"{"dtype":32}"#, .header(byte: 14, "expected a string")),
    .entry("shape is a number", #"{"shape":2}"#, .header(byte: 14, "expected a list of whole numbers")),
    .entry("negative size", #"{"shape":[-2]}"#, .header(byte: 15, "expected a whole number from 0")),
    .entry("fractional size", #"{"shape":[2.0]}"#, .header(byte: 16, "expected ',' or ']'")),
    .entry("octal size", #"{"shape":[02]}"#, .header(byte: 15, "a number starts with 0")),
    .entry(
      "size beyond 64 bits", #"{"shape":[9223372036854775808]}"#,
      .header(byte: 15, "a number beyond 9223372036854775807")),
    .entry(
      "unknown type", #"{"dtype":"F31","shape":[2],"data_offsets":[0,8]}"#, .unknownType("F31")),
    .entry(
      "product beyond 64 bits", #"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#,
      .shapeOverflow([1 << 32, 1 << 32])),
    .entry(
      "bytes beyond 64 bits", #"{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,8]}"#,
      .shapeOverflow([1 << 61])),
    .entry(
      "shape too small", #"{"dtype":"F32","shape":[1],"data_offsets":[0,8]}"#,
      .sizeMismatch(shape: [1], type: .float32, bytes: 8)),
    .entry(
      "shape too large", #"{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,8]}"#,
      .sizeMismatch(shape: [1_000_000_000_000], type: .float32, bytes: 8)),
    .entry(
      "another type's size", #"{"dtype":"F16","shape":[2],"data_offsets":[0,8]}"#,
      .sizeMismatch(shape: [2], type: .float16, bytes: 8)),
    .entry(
      "reversed offsets", #"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
      .offsetsOutOfRange(begin: 8, end: 0, dataSize: 8)),
    .entry(
      "offsets beyond the data", #"{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#,
      .offsetsOutOfRange(begin: 4, end: 12, dataSize: 8)),
    .entry(
      "offsets at the end of numbers",
      #"{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775799,9223372036854775807]}"#,
      .offsetsOutOfRange(begin: .max - 8, end: .max, dataSize: 8)),
  ]

  static let layouts: [MalformedFile] = [
    .offsets("same name twice", [("a", 0..<4), ("a", 4..<8)], dataSize: 8, tensor: "a", .duplicateName),
    .offsets("overlap", [("a", 0..<5), ("b", 4..<8)], dataSize: 8, tensor: "b", .overlap(with: "a")),
    .offsets(
      "one inside another", [("b", 2..<4), ("a", 0..<8)], dataSize: 8, tensor: "b", .overlap(with: "a")),
    .offsets("same place", [("a", 0..<8), ("b", 0..<8)], dataSize: 8, tensor: "b", .overlap(with: "a")),
    .offsets("hole first", [("a", 1..<8)], dataSize: 8, .hole(begin: 0, end: 1)),
    .offsets("hole between", [("a", 0..<4), ("b", 6..<8)], dataSize: 8, .hole(begin: 4, end: 6)),
    .offsets("hole last", [("a", 0..<4)], dataSize: 8, .hole(begin: 4, end: 8)),
    .offsets("data but no tensors", [], dataSize: 1, .hole(begin: 0, end: 1)),
    .offsets(
      "data cut short", [("a", 0..<4), ("b", 4..<8)], dataSize: 7, tensor: "b",
      .offsetsOutOfRange(begin: 4, end: 8, dataSize: 7)),
  ]

  @Test func headerBeyondTheLimitIsNotRead() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("huge.safetensors")
      let length: UInt64 = 100_000_001
      try withUnsafeBytes(of: length.littleEndian) { Data($0) }.write(to: URL(fileURLWithPath: path))
      // The file is as long as its header claims, on paper: it takes no room on the disk.
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.truncate(atOffset: 8 + length)
      try handle.close()
      let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: path) }
      #expect(error?.problem == .headerLength(length, limit: 100_000_000))
    }
  }

  @Test func deepNestingDoesNotExhaustTheStack() throws {
    let header = String(repeating: #"{"a":"#, count: 200_000)
    let error = try #require(throws: SafetensorsError.self) {
      try HandMadeFile(header: header).opened { _ in }
    }
    #expect(error.tensor == "a")
  }

  @Test func thingsThatAreNotFiles() throws {
    try withTemporaryDirectory { directory in
      let missing = directory.file("none.safetensors")
      #expect(throws: FileError("open", missing, code: ENOENT)) { try SafetensorsFile(path: missing) }
      #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: directory.path) }
      let pipe = directory.file("pipe")
      try #require(mkfifo(pipe, 0o600) == 0)
      let pipeError = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: pipe) }
      #expect(pipeError?.problem == .notARegularFile)
    }
  }
}
