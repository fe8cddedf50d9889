import Files
import Foundation
import TestSupport
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

  /// In a process of its own: the limit to the size of files is the process's.
  @Test func aLineThatDoesNotFitLeavesNoPart() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).txt").path
        defer { unlink(path) }
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 100, rlim_max: rlim_t.max)
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        limit.rlim_cur = 100
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        let file = try LineFile(appendingTo: path)
        try file.append(String(repeating: "a", count: 59))
        do {
          try file.append(String(repeating: "b", count: 59))
          exit(2)
        } catch let error as FileError where error.code == EFBIG {
        }
        guard try WholeFile.size(path) == 60 else { exit(3) }
        try file.append(String(repeating: "c", count: 39))
        guard try WholeFile.size(path) == 100 else { exit(4) }
      }
    }
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

  /// Pieces of all sizes, across the windows in which they are written; the rest stays.
  @Test(arguments: [0, 1, 4096, 1 << 20, (1 << 20) + 1, 3_000_001]) func filesAreOverwritten(size: Int) throws
  {
    let path = folder + "/overwritten"
    let original = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try WholeFile.write(Data(original), to: path)
    var expected = original
    let file = try OverwrittenFile(path)
    for (start, count) in [(3, 5), (5000, 4096), (12_288, 2_000_000), (2_500_000, 1)]
    where start + count <= size {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 3 &+ 1) }
      expected.replaceSubrange(start..<start + count, with: bytes)
      try file.keep(until: start)
      try bytes.withUnsafeBytes { try file.append($0) }
    }
    let (bytes, digest) = try file.finish()
    #expect(try WholeFile.read(path) == expected)
    #expect(try bytes == size && digest == SHA256.digest(ofFile: path))
  }

  @Test func aSealShowsEveryChange() {
    let text = ChecksummedText.seal("{\"a\": 1, \"seal\": \"\(ChecksummedText.blank)\"}", key: "seal")
    let seal = String(text.dropFirst(18).prefix(64))
    #expect(ChecksummedText.isSealed(text.utf8, by: seal))
    #expect(!ChecksummedText.isSealed(text.replacing("1,", with: "2,").utf8, by: seal))
    #expect(!ChecksummedText.isSealed(text.utf8, by: ChecksummedText.blank))
    #expect(!ChecksummedText.isSealed(text.utf8, by: String(seal.dropLast())))
    #expect(!ChecksummedText.isSealed(text.uppercased().utf8, by: seal.uppercased()))
  }
}
