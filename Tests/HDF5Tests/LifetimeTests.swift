import Foundation
import HDF5
import TestSupport
import Testing

@Suite("Handles and threads")
struct LifetimeTests {
  @Test func objectsKeepTheirFileOpen() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      try file.root.createDataset("x", of: Int64.self, shape: [2]).write([1, 2] as [Int64])
      try file.close()
      let dataset = try File(opening: directory.file("a.h5")).root.dataset("x")
      #expect(try dataset.read(as: Int64.self) == [1, 2])
    }
  }

  @Test func closeClosesWhatIsOpenInTheFile() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      let dataset = try file.root.createDataset("x", of: Int64.self, shape: [2])
      try dataset.write([3, 4] as [Int64])
      #expect(try file.openObjectCount() == 2)
      try file.close()
      #expect(try File(opening: directory.file("a.h5")).root.dataset("x").read(as: Int64.self) == [3, 4])
      withExtendedLifetime(dataset) {}
    }
  }

  @Test func closeGivesUpTheLockThatAnotherProcessHasInherited() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      try file.root.createDataset("x", of: Int64.self, shape: [1]).write([5] as [Int64])
      var heir = pid_t()
      let sleep: [UnsafeMutablePointer<CChar>?] = (["sleep", "60"] as [String]).map { strdup($0) } + [nil]
      defer { sleep.forEach { free($0) } }
      try #require(posix_spawnp(&heir, "sleep", nil, nil, sleep, nil) == 0)
      defer {
        kill(heir, SIGKILL)
        waitpid(heir, nil, 0)
      }
      try file.close()
      #expect(try File(opening: directory.file("a.h5")).root.dataset("x").read(as: Int64.self) == [5])
    }
  }

  /// In a process of its own: objects are counted over the whole process.
  @Test func nothingIsLeftOpen() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        try withTemporaryDirectory { directory in
          func useEverything() throws {
            let file = try File(creating: directory.file("a.h5"))
            let group = try file.root.createGroup("g/h")
            try group.attributes.write("text", ["a", "b"])
            try group.attributes.write("number", 1.5)
            let dataset = try group.createDataset(
              "x", of: Float.self, shape: [4], layout: .chunked([2], gzip: 1))
            try dataset.write([1, 2, 3, 4] as [Float])
            try group.createDataset("names", strings: ["a"])
            try file.close()

            let read = try File(opening: directory.file("a.h5"))
            _ = try read.root.dataset("g/h/x").read(as: Float.self)
            _ = try read.root.dataset("g/h/names").readStrings()
            _ = try read.root.group("g/h").attributes.readStrings("text")
            _ = try read.root.group("g/h").attributes.read("number", as: Double.self)
            _ = try? read.root.dataset("g/h/x").read(as: Int32.self)
            _ = try? read.root.dataset("g")
            _ = try? read.root.dataset("missing")
            if try read.openObjectCount() != 1 { exit(2) }
          }
          try useEverything()
          if try File.openObjectCount() != 0 { exit(3) }
          let dataset = try File(opening: directory.file("a.h5")).root.dataset("g/h/x")
          if try File.openObjectCount() != 2 { exit(4) }
          withExtendedLifetime(dataset) {}
        }
      }
    }
  }

  @Test func threadsReadAtOnce() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("oboro-hdf5-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let (rows, columns) = (64, 300)
    let path = directory.file("a.h5")
    let file = try File(creating: path)
    for name in ["plain", "packed"] {
      try file.root.createDataset(
        name, of: Int32.self, shape: [rows, columns],
        layout: name == "plain" ? .contiguous : .chunked([8, 100], gzip: 1)
      ).write((0..<Int32(rows * columns)).map { $0 })
    }
    try file.close()

    let shared = try File(opening: path)
    let correct = try await withThrowingTaskGroup(of: Int.self) { group in
      for worker in 0..<8 {
        group.addTask {
          var correct = 0
          let own = worker % 2 == 0 ? shared : try File(opening: path)
          let dataset = try own.root.dataset(worker % 4 < 2 ? "plain" : "packed")
          var row = [Int32](repeating: -1, count: columns)
          for step in 0..<200 {
            let index = (step * 7 + worker * 13) % rows
            try row.withUnsafeMutableBufferPointer {
              try dataset.read(into: $0, offset: [index, 0], count: [1, columns])
            }
            if row.elementsEqual((0..<Int32(columns)).map { Int32(index * columns) + $0 }) { correct += 1 }
            if step % 50 == 0, (try? own.root.dataset("missing")) == nil { correct += 1 }
          }
          return correct
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(correct == 8 * 204)
  }
}
