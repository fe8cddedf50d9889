import Foundation
import HDF5
import Testing

@Suite("Files in memory")
struct FileImageTests {
  /// Memory with the bytes of a file that holds x = 0, 1, 2, ...; released after `body`.
  private func withImage(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      try file.root.createDataset("group/x", of: Float.self, shape: [40, 50]).write(
        (0..<2000).map { Float($0) })
      try file.close()
      let bytes = try Data(contentsOf: URL(filePath: directory.file("a.h5")))
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
      defer { memory.deallocate() }
      memory.copyBytes(from: bytes)
      try body(memory)
      // Nothing is written to it, nor to a file of the name.
      #expect(memory.elementsEqual(bytes))
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("")) == ["a.h5"])
    }
  }

  @Test func anImageIsReadWhereItLies() throws {
    try withImage { memory in
      let file = try File(opening: memory, path: "in memory")
      #expect(file.path == "in memory")
      let dataset = try file.root.dataset("group/x")
      let offset = try #require(try dataset.offset())
      #expect(memory.load(fromByteOffset: offset + 4 * 7, as: Float.self) == 7)
      // It is not copied: what changes in memory before the library has read it changes in the file.
      memory.storeBytes(of: -1, toByteOffset: offset + 4 * 7, as: Float.self)
      #expect(try dataset.read(as: Float.self) == (0..<2000).map { $0 == 7 ? -1 : Float($0) })
      memory.storeBytes(of: 7, toByteOffset: offset + 4 * 7, as: Float.self)
      #expect(try file.openObjectCount() == 2)
      try file.close()
    }
  }

  @Test func severalAreOpenAtOnce() throws {
    try withImage { first in
      try withImage { second in
        let files = try [File(opening: first, path: "same"), File(opening: second, path: "same")]
        for file in files { #expect(try file.root.dataset("group/x").read(as: Float.self)[1999] == 1999) }
        for file in files { try file.close() }
      }
    }
  }

  @Test func whatIsNoFileIsRefused() throws {
    try withImage { memory in
      for part in [0, 1, 100, memory.count - 1] {
        let error = #expect(throws: HDF5Error.self) {
          try File(opening: UnsafeMutableRawBufferPointer(rebasing: memory[..<part]), path: "cut off")
        }
        #expect(error?.description.contains("cut off") == true)
      }
    }
  }
}
