import Files
import Foundation
import Testing

@Suite final class FilesTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func aFileIsWrittenReplacedAndReadBack() throws {
    let path = folder + "/a.bin"
    let large = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    for bytes in [[1, 2, 3], large, []] {
      try WholeFile.write(bytes, to: path)
      #expect(try WholeFile.read(path) == bytes)
      #expect(try names() == ["a.bin"])
    }
  }

  @Test(arguments: [0, 1, 4999, 5000, 9000]) func theBeginningOfAFile(count: Int) throws {
    let path = folder + "/a.bin"
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try WholeFile.write(bytes, to: path)
    #expect(try WholeFile.read(path, upTo: count) == Array(bytes.prefix(count)))
  }

  @Test func aRelativePathIsOfTheCurrentFolder() throws {
    let name = "\(UUID()).txt"
    try WholeFile.write(Data("x".utf8), to: name)
    defer { try? FileManager.default.removeItem(atPath: name) }
    #expect(FileManager.default.currentDirectoryPath + "/" + name == URL(fileURLWithPath: name).path)
    #expect(try WholeFile.read(name) == Array("x".utf8))
  }

  @Test func aFailedWriteLeavesWhatWasThereAndNothingElse() throws {
    let path = folder + "/taken"
    try FileManager.default.createDirectory(atPath: path + "/inner", withIntermediateDirectories: true)
    #expect(throws: FileError("write", path, code: EISDIR)) { try WholeFile.write([1], to: path) }
    #expect(try names() == ["taken"])
  }

  @Test func errorsNamePathAndReason() throws {
    let path = folder + "/missing/a"
    let error = #expect(throws: FileError.self) { try WholeFile.write([1], to: path) }
    #expect(error?.description == "cannot write \(path): No such file or directory")
    #expect(throws: FileError("open", path, code: ENOENT)) { try WholeFile.read(path) }
    #expect(throws: FileError("read", folder, code: EISDIR)) { try WholeFile.read(folder) }
  }

  @Test func aFullDeviceIsAnError() throws {
    let file = try LineFile(appendingTo: "/dev/full")
    #expect(throws: FileError("write", "/dev/full", code: ENOSPC)) { try file.append("line") }
  }

  @Test func linesOfManyThreadsStayWhole() async throws {
    let path = folder + "/lines.txt"
    try WholeFile.write(Data("old\n".utf8), to: path)
    let file = try LineFile(appendingTo: path)
    await withTaskGroup { group in
      for task in 0..<8 {
        group.addTask {
          for line in 0..<100 {
            #expect(throws: Never.self) {
              try file.append("\(task) \(line) " + String(repeating: "x", count: 300))
            }
          }
        }
      }
    }
    let lines = String(decoding: try WholeFile.read(path), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 801 && lines[0] == "old")
    #expect(
      lines.dropFirst().allSatisfy { $0.hasSuffix(String(repeating: "x", count: 300)) && $0.count < 310 })
  }
}
