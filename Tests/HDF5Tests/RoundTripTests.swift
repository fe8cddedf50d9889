import Foundation
import HDF5
import Testing

@Suite("What is written is read again")
struct RoundTripTests {
  static let layouts: [Group.Layout] = [.contiguous, .chunked([2, 3]), .chunked([4, 4], gzip: 6)]

  private func roundTrip<Element: HDF5Element & Equatable>(_ values: [Element], _ layout: Group.Layout) throws
  {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      try file.root.createDataset("deep/er/x", of: Element.self, shape: [4, 5], layout: layout).write(values)
      try file.close()

      let dataset = try File(opening: directory.file("a.h5")).root.dataset("deep/er/x")
      #expect(dataset.shape == [4, 5])
      #expect(dataset.elementType == Element.elementType)
      #expect(try dataset.read(as: Element.self) == values)
    }
  }

  @Test(arguments: layouts)
  func elements(layout: Group.Layout) throws {
    try roundTrip((0..<20).map { Float($0) * 0.1 - 1 } as [Float], layout)
    try roundTrip((0..<20).map { Double($0) * 0.1 - 1 } as [Double], layout)
    try roundTrip((0..<20).map { UInt8($0 * 13) } as [UInt8], layout)
    try roundTrip((0..<20).map { Int32($0) - (1 << 30) } as [Int32], layout)
    try roundTrip((0..<20).map { Int64($0) - (1 << 60) } as [Int64], layout)
  }

  @Test func scalarAndEmptyDatasets() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      try file.root.createDataset("scalar", of: Double.self, shape: []).write([2.5])
      try file.root.createDataset("empty", of: Float.self, shape: [0, 3]).write([Float]())
      try file.close()
      let root = try File(opening: directory.file("a.h5")).root
      #expect(try root.dataset("scalar").read(as: Double.self) == [2.5])
      #expect(try root.dataset("empty").read(as: Float.self).isEmpty)
      #expect(try root.dataset("empty").shape == [0, 3])
    }
  }

  @Test(arguments: layouts)
  func hyperslabs(layout: Group.Layout) throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      let written = try file.root.createDataset("x", of: Int32.self, shape: [6, 7], layout: layout)
      // Row by row, last row first; the middle row is never written.
      for row in [5, 4, 2, 1, 0] {
        let values = (0..<7).map { Int32(row * 10 + $0) }
        try values.withUnsafeBufferPointer { try written.write(from: $0, offset: [row, 0], count: [1, 7]) }
      }
      try file.close()

      let dataset = try File(opening: directory.file("a.h5")).root.dataset("x")
      var block = [Int32](repeating: -1, count: 3 * 2)
      try block.withUnsafeMutableBufferPointer { try dataset.read(into: $0, offset: [2, 5], count: [3, 2]) }
      #expect(block == [25, 26, 0, 0, 45, 46])
    }
  }

  @Test func attributes() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      let group = try file.root.createGroup("g")
      try group.attributes.write("step", Int64(1) << 40)
      try group.attributes.write("rates", [Float(0.5), -1.25])
      try group.attributes.write("name", "朧 月")
      try group.attributes.write("empty", "")
      try group.attributes.write("names", ["a", "", "longer"])
      let dataset = try file.root.createDataset("x", of: UInt8.self, shape: [1])
      try dataset.attributes.write("scale", 1.5)
      try file.root.attributes.write("version", Int32(1))
      try file.close()

      let root = try File(opening: directory.file("a.h5")).root
      let read = try root.group("g").attributes
      #expect(try read.read("step") == Int64(1) << 40)
      #expect(try read.readArray("rates") == [Float(0.5), -1.25])
      #expect(try read.readString("name") == "朧 月")
      #expect(try read.readString("empty") == "")
      #expect(try read.readStrings("names") == ["a", "", "longer"])
      #expect(try read.exists("step"))
      #expect(try !read.exists("steps"))
      #expect(try root.dataset("x").attributes.read("scale", as: Double.self) == 1.5)
      #expect(try root.attributes.read("version", as: Int32.self) == 1)
    }
  }

  @Test func strings() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      let strings = ["T-shirt/top", "", "朧", "  spaces  "]
      try file.root.createDataset("names", strings: strings)
      try file.root.createDataset("none", strings: [])
      try file.close()
      let root = try File(opening: directory.file("a.h5")).root
      #expect(try root.dataset("names").readStrings() == strings)
      #expect(try root.dataset("none").readStrings().isEmpty)
    }
  }

  @Test func groupsAndTheirChildren() throws {
    try withTemporaryDirectory { directory in
      let file = try File(creating: directory.file("a.h5"))
      try file.root.createGroup("b/c")
      _ = try file.root.createDataset("b/downs.0.1.block2.proj.weight", of: Float.self, shape: [1])
      try file.root.createGroup("a")
      #expect(try file.root.children() == ["a", "b"])
      #expect(try file.root.group("b").children() == ["c", "downs.0.1.block2.proj.weight"])
      #expect(try file.root.group("a").children().isEmpty)
      #expect(try file.root.exists("b/c"))
      #expect(try file.root.group("a").exists("/b/c"))
      #expect(try !file.root.exists("b/d"))
      #expect(try !file.root.exists("x/y/z"))
      #expect(try file.root.group("b").group("c").path == "/b/c")
      try file.close()
    }
  }
}

@Suite("The bytes of files")
struct FileFormatTests {
  private func write(_ path: String) throws {
    let file = try File(creating: path)
    let names = try file.root.createGroup("model")
    try names.attributes.write("step", Int64(12))
    for index in 0..<20 {
      try names.createDataset("tensor\(index)", of: Float.self, shape: [40, 40])
        .write((0..<1600).map { Float($0 + index) })
    }
    try file.root.createDataset("names", strings: ["one", "three"])
    let packed = try file.root.createDataset(
      "p", of: UInt8.self, shape: [100], layout: .chunked([10], gzip: 9))
    try packed.write([UInt8](repeating: 7, count: 100))
    try file.close()
  }

  @Test func sameContentGivesTheSameBytesLater() throws {
    try withTemporaryDirectory { directory in
      try write(directory.file("a.h5"))
      // Times in HDF5 files are whole seconds.
      Thread.sleep(forTimeInterval: 1.1)
      try write(directory.file("b.h5"))
      let first = try Data(contentsOf: directory.appendingPathComponent("a.h5"))
      let second = try Data(contentsOf: directory.appendingPathComponent("b.h5"))
      #expect(first.count > 20 * 6400)
      #expect(first == second)
    }
  }

  @Test func superblockIsThatOf1Point10() throws {
    try withTemporaryDirectory { directory in
      try write(directory.file("a.h5"))
      let bytes = try Data(contentsOf: directory.appendingPathComponent("a.h5"))
      #expect(Array(bytes.prefix(9)) == [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A, 3])
    }
  }

  @Test func contiguousElementsLieAtTheirOffset() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("a.h5")
      let values: [Int32] = (0..<2000).map { $0 * 65_537 }
      let file = try File(creating: path)
      _ = try file.root.createDataset("before", of: UInt8.self, shape: [3]).write([1, 2, 3] as [UInt8])
      try file.root.createDataset("x", of: Int32.self, shape: [2000]).write(values)
      _ = try file.root.createDataset("unwritten", of: Float.self, shape: [2000])
      _ = try file.root.createDataset("c", of: UInt8.self, shape: [4], layout: .chunked([2])).write(
        [1, 2, 3, 4] as [UInt8])
      try file.close()

      let root = try File(opening: path).root
      let offset = try #require(try root.dataset("x").offset())
      #expect(offset % 4096 == 0)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let golden = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
      #expect(Array(bytes[offset..<offset + 8000]) == golden)
      #expect(try root.dataset("unwritten").offset() == nil)
      #expect(try root.dataset("c").offset() == nil)
    }
  }
}
