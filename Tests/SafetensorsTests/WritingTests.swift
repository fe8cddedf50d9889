import Files
import Foundation
import Safetensors
import Testing

@Suite("Writing")
struct WritingTests {
  private func contents(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func goldenBytes() throws {
    var writer = SafetensorsWriter(metadata: ["step": "12", "model": #"{"kind":"dit"}"#])
    writer.add("b.weight", shape: [1, 2], floats: [1, -2.5])
    writer.add("t", shape: [2], int64s: [-1, 0x0102_0304_0506_0708])
    writer.add("a\n\"\\é", shape: [], floats: [0])
    writer.add("empty", shape: [2, 0], floats: [])
    var header = #"{"__metadata__":{"model":"{\"kind\":\"dit\"}","step":"12"},"#
    header += #""t":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"#
    header += #""a\u000a\"\\é":{"dtype":"F32","shape":[],"data_offsets":[16,20]},"#
    header += #""b.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[20,28]},"#
    header += #""empty":{"dtype":"F32","shape":[2,0],"data_offsets":[28,28]}}"#
    while header.utf8.count % 8 != 0 { header += " " }
    let golden = HandMadeFile(
      header: header,
      data: [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
        0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x20, 0xc0,
      ])
    try withTemporaryDirectory { directory in
      let path = directory.file("golden.safetensors")
      try writer.write(to: path)
      try #expect(contents(path) == golden.bytes)
    }
  }

  @Test func nothingToWrite() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("empty.safetensors")
      try SafetensorsWriter().write(to: path)
      try #expect(contents(path) == HandMadeFile(header: "{}      ").bytes)
      try #expect(SafetensorsFile(path: path).names == [])
    }
  }

  @Test func bytesDoNotDependOnTheOrderOfAdding() throws {
    let names = (0..<50).map { "layer.\($0).weight" }
    let metadata = Dictionary(uniqueKeysWithValues: names.map { ($0, $0) })
    try withTemporaryDirectory { directory in
      for (file, order) in [("a", names), ("b", names.reversed())] {
        var writer = SafetensorsWriter(metadata: metadata)
        for name in order {
          writer.add(name, shape: [2, 3], floats: [Float](repeating: Float(name.count), count: 6))
        }
        try writer.write(to: directory.file(file))
      }
      try #expect(contents(directory.file("a")) == contents(directory.file("b")))
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    let floats = (0..<150_001).map { Float(bitPattern: UInt32(truncatingIfNeeded: $0 &* 2_654_435_761)) }
    let metadata = ["": "", "key \"quoted\"\t": "\u{1}é😀\\", "\u{7f}": "/"]
    try withTemporaryDirectory { directory in
      let path = directory.file("round.safetensors")
      var writer = SafetensorsWriter(metadata: metadata)
      writer.add("floats", shape: [150_001], floats: floats)
      writer.add("t", shape: [3, 1], int64s: [.min, 0, .max])
      writer.add("", shape: [1, 1, 1], floats: [.pi])
      try writer.write(to: path)

      let file = try SafetensorsFile(path: path)
      #expect(file.metadata == metadata)
      #expect(file.names == ["t", "", "floats"])
      try #expect(file.floats("floats").map(\.bitPattern) == floats.map(\.bitPattern))
      try #expect(file.int64s("t") == [.min, 0, .max])
      try #expect(file.shape(of: "t") == [3, 1])
      try #expect(file.floats("") == [.pi])
    }
  }

  @Test func replacesAsAWhole() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("model.safetensors")
      var old = SafetensorsWriter()
      old.add("x", shape: [1], floats: [1])
      try old.write(to: path)
      let opened = try SafetensorsFile(path: path)
      var new = SafetensorsWriter()
      new.add("y", shape: [2], floats: [2, 3])
      try new.write(to: path)

      try #expect(opened.floats("x") == [1])
      try #expect(SafetensorsFile(path: path).floats("y") == [2, 3])
      try #expect(FileManager.default.contentsOfDirectory(atPath: directory.path) == ["model.safetensors"])
    }
  }

  @Test func failureLeavesNothingBehind() throws {
    try withTemporaryDirectory { directory in
      let occupied = directory.file("occupied")
      try FileManager.default.createDirectory(atPath: occupied, withIntermediateDirectories: false)
      #expect(throws: FileError("write", occupied, code: EISDIR)) {
        try SafetensorsWriter().write(to: occupied)
      }
      try #expect(FileManager.default.contentsOfDirectory(atPath: directory.path) == ["occupied"])

      let nowhere = directory.file("none/model.safetensors")
      #expect(throws: FileError("write", nowhere, code: ENOENT)) {
        try SafetensorsWriter().write(to: nowhere)
      }
    }
  }
}
