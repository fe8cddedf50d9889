import Foundation
import HDF5
import TestSupport
import Testing

@Suite("Errors say what, where and why")
struct ErrorTests {
  private func makeFile(_ path: String) throws {
    let file = try File(creating: path)
    try file.root.createDataset("images", of: UInt8.self, shape: [100, 100])
      .write([UInt8](repeating: 1, count: 10_000))
    try file.root.createGroup("g")
    try file.root.attributes.write("numbers", [1.0, 2.0])
    try file.root.attributes.write("text", "a")
    try file.close()
  }

  @Test func missingFile() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("none.h5")
      let error = #expect(throws: HDF5Error.self) { try File(opening: path) }
      #expect(error?.file == path)
      #expect(error?.description.contains(path) == true)
      #expect(error?.description.contains("H5Fopen failed") == true)
      #expect(error?.description.contains("No such file or directory") == true)
    }
  }

  @Test func truncatedFileGivesTheLibrarysStack() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("a.h5")
      try makeFile(path)
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try file.truncate(atOffset: 8000)
      try file.close()
      let error = try #require(throws: HDF5Error.self) { try File(opening: path) }
      guard case .library(let function, let stack) = error.problem else {
        Issue.record("not an error of the library: \(error)")
        return
      }
      #expect(function == "H5Fopen")
      #expect(stack.count >= 2)
      #expect(stack.first?.function == "H5Fopen")
      #expect(error.description.contains("truncated file"))
      #expect(error.description.contains(path))
    }
  }

  @Test(arguments: ["", "not an HDF5 file, whatever its name says"])
  func foreignContent(text: String) throws {
    try withTemporaryDirectory { directory in
      try text.write(toFile: directory.file("a.h5"), atomically: false, encoding: .utf8)
      let error = #expect(throws: HDF5Error.self) { try File(opening: directory.file("a.h5")) }
      #expect(error?.description.contains("file signature not found") == true)
    }
  }

  @Test func missingObjectsNameWhatIsThere() throws {
    try withTemporaryDirectory { directory in
      try makeFile(directory.file("a.h5"))
      let root = try File(opening: directory.file("a.h5")).root
      let error = #expect(throws: HDF5Error.self) { try root.dataset("image") }
      #expect(error?.object == "/image")
      #expect(error?.description.hasSuffix("/image: not in the file; found there: g, images") == true)
      #expect(throws: HDF5Error.self) { try root.group("h") }
      let attribute = #expect(throws: HDF5Error.self) { try root.attributes.read("x", as: Double.self) }
      #expect(attribute?.description.contains("attribute x of /") == true)
    }
  }

  @Test func wrongKindsTypesAndShapes() throws {
    try withTemporaryDirectory { directory in
      try makeFile(directory.file("a.h5"))
      let root = try File(opening: directory.file("a.h5")).root
      #expect(throws: HDF5Error.self) { try root.dataset("g") }
      #expect(throws: HDF5Error.self) { try root.group("images") }

      let images = try root.dataset("images")
      let type = #expect(throws: HDF5Error.self) { try images.read(as: Float.self) }
      #expect(type?.description.hasSuffix("/images: element type is uint8, expected float32") == true)
      #expect(throws: HDF5Error.self) { try images.readStrings() }
      let shape = #expect(throws: HDF5Error.self) { try images.requireShape([100, 28]) }
      #expect(shape?.description.hasSuffix("/images: shape is [100, 100], expected [100, 28]") == true)

      var block = [UInt8](repeating: 0, count: 20)
      let range = #expect(throws: HDF5Error.self) {
        try block.withUnsafeMutableBufferPointer {
          try images.read(into: $0, offset: [99, 0], count: [2, 10])
        }
      }
      #expect(range?.description.contains("expected one that holds [2, 10] at [99, 0]") == true)

      #expect(throws: HDF5Error.self) { try root.attributes.read("numbers", as: Double.self) }
      #expect(throws: HDF5Error.self) { try root.attributes.readArray("numbers", as: Float.self) }
      #expect(throws: HDF5Error.self) { try root.attributes.readString("numbers") }
      #expect(throws: HDF5Error.self) { try root.attributes.readStrings("text") }
    }
  }

  @Test func existingFilesAndObjectsAreNotReplaced() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("a.h5")
      try makeFile(path)
      let before = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(throws: HDF5Error.self) { try File(creating: path, exclusively: true) }
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)

      let file = try File(creating: path)
      try file.root.createGroup("x")
      #expect(throws: HDF5Error.self) { try file.root.createDataset("x", of: Float.self, shape: [1]) }
      try file.root.attributes.write("a", Int32(1))
      #expect(throws: HDF5Error.self) { try file.root.attributes.write("a", Int32(2)) }
      #expect(throws: HDF5Error.self) { try file.root.attributes.write("b", "a\0b") }
      try file.close()
    }
  }

  @Test func readOnlyFilesAreNotWritten() throws {
    try withTemporaryDirectory { directory in
      try makeFile(directory.file("a.h5"))
      let file = try File(opening: directory.file("a.h5"))
      #expect(throws: HDF5Error.self) { try file.root.createGroup("new") }
      try file.close()
    }
  }

  @Test func useAfterCloseIsAnError() throws {
    try withTemporaryDirectory { directory in
      try makeFile(directory.file("a.h5"))
      let file = try File(opening: directory.file("a.h5"))
      let images = try file.root.dataset("images")
      try file.close()
      #expect(throws: HDF5Error.self) { try images.read(as: UInt8.self) }
      #expect(throws: HDF5Error.self) { try file.root.children() }
      #expect(throws: HDF5Error.self) { try file.close() }
    }
  }

  /// In a process of its own, as the limit on the size of files is the whole process's.
  @Test func writesThatDoNotReachTheDiskAreErrorsNoLaterThanAtClose() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          signal(SIGXFSZ, SIG_IGN)
          var limit = rlimit(rlim_cur: 32_768, rlim_max: 32_768)
          guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(2) }
          do {
            let file = try File(creating: directory.file("a.h5"))
            try file.root.createDataset("x", of: UInt8.self, shape: [65_536])
              .write([UInt8](repeating: 1, count: 65_536))
            try file.close()
          } catch let error as HDF5Error {
            guard error.description.contains("File too large") else { exit(3) }
            return
          }
          exit(4)
        }
      }
    }
  }

  /// A small piece that fails once, before the disk works again: libhdf5 would buffer it, and lose it when the dataset
  /// is closed.
  @Test func aSinglePieceThatDoesNotReachTheDiskIsAnError() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          signal(SIGXFSZ, SIG_IGN)
          let file = try File(creating: directory.file("a.h5"))
          func setLimit(_ bytes: rlim_t) {
            var limit = rlimit(rlim_cur: bytes, rlim_max: 1 << 30)
            guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(2) }
          }
          do {
            let dataset = try file.root.createDataset("x", of: UInt8.self, shape: [65_536])
            setLimit(16_384)
            defer { setLimit(1 << 30) }
            let piece = [UInt8](repeating: 1, count: 100)
            try piece.withUnsafeBufferPointer { try dataset.write(from: $0, offset: [60_000], count: [100]) }
          } catch let error as HDF5Error {
            guard error.description.contains("File too large") else { exit(3) }
            return
          }
          exit(4)
        }
      }
    }
  }

  /// The library's second attempt to write, when it closes the file, must not crash.
  @Test func aFileThatCannotBeClosedIsLeftAlone() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          signal(SIGXFSZ, SIG_IGN)
          for _ in 0..<3 {
            let file = try File(creating: directory.file("a.h5"))
            for index in 0..<200 { _ = try file.root.createGroup("group \(index)") }
            var limit = rlimit(rlim_cur: 512, rlim_max: 1 << 30)
            guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(2) }
            do {
              try file.close()
              exit(3)
            } catch is HDF5Error {}
            limit.rlim_cur = 1 << 30
            guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(2) }
            try FileManager.default.removeItem(atPath: directory.file("a.h5"))
          }
        }
      }
    }
  }
}
