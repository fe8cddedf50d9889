import Foundation
import Reporting
import TestSupport
import Testing

/// TensorBoard's files, read back by hand; launch/verify-reports reads them with TensorBoard itself.
@Suite struct EventFileTests {
  /// The vectors of RFC 3720, appendix B.4, and the one that every implementation is checked with.
  @Test func checksums() {
    #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.of([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.of((0..<32).map { UInt8($0) }) == 0x46DD_794E)
    #expect(CRC32C.of("123456789".utf8) == 0xE306_9283)
  }

  /// The contents of a file's records.
  private func records(_ folder: String) throws -> [[UInt8]] {
    let name = try #require(FileManager.default.contentsOfDirectory(atPath: folder).first)
    #expect(name.hasPrefix("events.out.tfevents."))
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))[...]
    var result: [[UInt8]] = []
    while !bytes.isEmpty {
      let count = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      result.append(Array(bytes.dropFirst(12).prefix(count)))
      bytes = bytes.dropFirst(16 + count)
    }
    return result
  }

  @Test func anEventFileHasItsVersionThenWhatWasAdded() throws {
    let directory = try TemporaryDirectory()
    let folder = directory.path
    let file = try EventFile(folder: folder, resumingAfter: 0, date: { Date(timeIntervalSince1970: 2) })
    try file.add([("loss", 0.5)], step: 300)
    let records = try records(folder)
    // wall_time = 2.0, file_version.
    #expect(records[0] == [0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x1A, 13] + Array("brain.Event:2".utf8))
    // wall_time, step = 300, summary { value { tag: "loss" simple_value: 0.5 } }.
    #expect(
      records[1]
        == [0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0xAC, 0x02, 0x2A, 13, 0x0A, 11, 0x0A, 4]
        + Array("loss".utf8)
        + [0x15, 0, 0, 0, 0x3F])
    #expect(records.count == 2)
  }

  /// So TensorBoard forgets what earlier files say of steps that are done again.
  @Test func aResumedRunSaysWhereItStarts() throws {
    let directory = try TemporaryDirectory()
    let folder = directory.path
    _ = try EventFile(folder: folder, resumingAfter: 20, date: { Date(timeIntervalSince1970: 2) })
    let records = try records(folder)
    // step = 21, session_log { status: START }.
    #expect(records[1].suffix(6) == [0x10, 21, 0x3A, 2, 0x08, 1])
  }
}
