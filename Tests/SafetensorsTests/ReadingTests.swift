import Foundation
import Safetensors
import Testing

@Suite("Reading files made by hand")
struct ReadingTests {
  @Test func everyConvertibleType() throws {
    let file = HandMadeFile(
      header: #"""
        {"__metadata__":{"format":"pt"},
         "f32":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
         "f16":{"dtype":"F16","shape":[4],"data_offsets":[8,16]},
         "bf16":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},
         "f64":{"dtype":"F64","shape":[],"data_offsets":[20,28]},
         "i64":{"dtype":"I64","shape":[2],"data_offsets":[28,44]},
         "i32":{"dtype":"I32","shape":[2],"data_offsets":[44,52]}}
        """#,
      data: [
        0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x20, 0xc0,  // 1, -2.5
        0x00, 0x3c, 0x01, 0x00, 0xff, 0xfb, 0x00, 0x7c,  // 1, the smallest, the lowest, infinity
        0x80, 0x3f, 0x49, 0xc0,  // 1, -3.140625
        0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f,  // 0.1
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // -1
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
        0xfe, 0xff, 0xff, 0xff, 0x78, 0x56, 0x34, 0x12,  // -2
      ])
    try file.opened { file in
      #expect(file.metadata == ["format": "pt"])
      #expect(file.names == ["f32", "f16", "bf16", "f64", "i64", "i32"])
      try #expect(file.shape(of: "f32") == [2, 1])
      try #expect(file.shape(of: "f64") == [])
      try #expect(file.elementType(of: "bf16") == .bfloat16)
      try #expect(file.floats("f32") == [1, -2.5])
      try #expect(file.floats("f16") == [1, 0x1p-24, -65504, .infinity])
      try #expect(file.floats("bf16") == [1, -3.140625])
      try #expect(file.floats("f64") == [0.1])
      try #expect(file.doubles("f32") == [1, -2.5])
      try #expect(file.doubles("f16") == [1, 0x1p-24, -65504, .infinity])
      try #expect(file.doubles("bf16") == [1, -3.140625])
      try #expect(file.doubles("f64") == [0.1])
      try #expect(file.int64s("i64") == [-1, 0x0102_0304_0506_0708])
      try #expect(file.int64s("i32") == [-2, 0x1234_5678])
    }
  }

  @Test func notANumberStaysOne() throws {
    let header = #"""
      {"f16":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"bf16":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}}
      """#
    try HandMadeFile(header: header, data: [0x00, 0x7e, 0xc0, 0x7f]).opened { file in
      try #expect(file.floats("f16")[0].isNaN)
      try #expect(file.floats("bf16")[0].isNaN)
    }
  }

  @Test func namesAreInTheOrderOfTheData() throws {
    let header = #"""
      {"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"a":{"data_offsets":[0,2],"shape":[2],"dtype":"I8"},
       "none":{"dtype":"F32","shape":[3,0],"data_offsets":[2,2]}}
      """#
    try HandMadeFile(header: header, data: [1, 2, 3]).opened { file in
      #expect(file.names == ["a", "none", "b"])
      try #expect(file.floats("none") == [])
      #expect(file.contains("a"))
      #expect(!file.contains("c"))
    }
  }

  @Test(arguments: ["{}", "{ }  \n\t\r", #"{"__metadata__":{}}"#])
  func noTensors(header: String) throws {
    try #expect(HandMadeFile(header: header).opened { $0.names } == [])
  }

  @Test func escapesInStrings() throws {
    let header = #"{"__metadata__":{"\"\\\/\b\f\n\r\t":"\u0041\u00e9\u20AC\ud83d\uDE00é€😀\u0000"}}"#
    try HandMadeFile(header: header).opened { file in
      #expect(file.metadata == ["\"\\/\u{8}\u{c}\n\r\t": "Aé€😀é€😀\0"])
    }
  }

  @Test func moreThanIsReadAtOnce() throws {
    let count = 200_003
    let header = #"{"x":{"dtype":"I32","shape":[\#(count)],"data_offsets":[0,\#(count * 4)]}}"#
    let data = (0..<count).flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    try HandMadeFile(header: header, data: data).opened { file in
      try #expect(file.int64s("x") == (0..<Int64(count)).map { $0 })
    }
  }

  @Test func missingTensorNamesWhatIsThere() throws {
    let entries = (0..<10).map { #""t\#($0)":{"dtype":"U8","shape":[1],"data_offsets":[\#($0),\#($0 + 1)]}"# }
    let file = HandMadeFile(header: "{\(entries.joined(separator: ","))}", data: Array(0..<10))
    try file.opened { file in
      let error = #expect(throws: SafetensorsError.self) { try file.shape(of: "weight") }
      #expect(error?.tensor == "weight")
      #expect(error?.file == file.path)
      #expect(error?.problem == .missing(present: (0..<10).map { "t\($0)" }))
      #expect(error?.description.contains("'t7' and 2 more") == true)
    }
  }

  @Test func wrongTypeNamesBoth() throws {
    let header =
      #"{"t":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[1],"data_offsets":[8,9]}}"#
    try HandMadeFile(header: header, data: Array(0..<9)).opened { file in
      let error = #expect(throws: SafetensorsError.self) { try file.floats("t") }
      #expect(
        error?.problem == .wrongType(found: .int64, expected: [.float32, .float16, .bfloat16, .float64]))
      #expect(
        error?.description.hasSuffix("tensor 't': its elements are I64, expected F32 or F16 or BF16 or F64")
          == true)
      #expect(throws: SafetensorsError.self) { try file.int64s("b") }
      #expect(throws: SafetensorsError.self) { try file.doubles("b") }
    }
  }

  @Test func fileThatIsCutWhileOpen() throws {
    let header = #"{"t":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}"#
    let made = HandMadeFile(header: header, data: [UInt8](repeating: 0, count: 400))
    try made.withFile { path in
      let file = try SafetensorsFile(path: path)
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.truncate(atOffset: UInt64(made.bytes.count - 100))
      try handle.close()
      let error = #expect(throws: SafetensorsError.self) { try file.floats("t") }
      let size = UInt64(made.bytes.count)
      #expect(error?.problem == .truncated(needed: size, found: size - 100))
    }
  }

  @Test func severalThreadsReadOneFile() async throws {
    let count = 50_000
    let floats = (0..<count).map { Float($0) }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      let file = try withTemporaryDirectory { directory in
        var writer = SafetensorsWriter()
        for tensor in 0..<4 {
          writer.add("t\(tensor)", shape: [count], floats: floats.map { $0 + Float(tensor) })
        }
        try writer.write(to: directory.file("a.safetensors"))
        // The name goes with the directory; the open file keeps its content.
        return try SafetensorsFile(path: directory.file("a.safetensors"))
      }
      for tensor in 0..<4 {
        group.addTask { try file.floats("t\(tensor)") == floats.map { $0 + Float(tensor) } }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }
}
