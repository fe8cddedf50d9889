import Foundation
import Safetensors
import TestSupport
import Testing

@Suite("Damaged files")
struct MutationTests {
  /// Bytes that mean something in a header.
  private static let telling = Array(#"{}[]":,\u0123456789 _-.F"#.utf8) + [0, 0x7f, 0x80, 0xff]

  private static let original: [UInt8] = HandMadeFile(
    header: #"""
      {"__metadata__":{"format":"pt"},"a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
      "b":{"dtype":"F16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"I64","shape":[],"data_offsets":[32,40]},
      "d":{"dtype":"BF16","shape":[0,7],"data_offsets":[40,40]},"e":{"dtype":"F64","shape":[1],"data_offsets":[40,48]}}
      """#, data: Array(0..<48)
  ).bytes

  private static func mutate(_ bytes: [UInt8], with generator: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &generator)
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[place] = telling[Int.random(in: 0..<telling.count, using: &generator)]
      case 2: bytes.insert(telling[Int.random(in: 0..<telling.count, using: &generator)], at: place)
      case 3: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...9, using: &generator)))
      case 4: bytes.removeSubrange(place...)
      default:
        bytes[Int.random(in: 0..<min(8, bytes.count), using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      // A length that fits again brings the damage to the parser.
      if Bool.random(using: &generator), bytes.count > 8, let end = bytes.lastIndex(of: UInt8(ascii: "}")),
        end >= 8
      {
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: (end - 7) >> (index * 8)) }
      }
    }
    return bytes
  }

  /// Reads all of a file; what it holds must agree with itself and with the file's size.
  ///
  /// - Throws: also what is no refusal, where it does not agree.
  private static func read(_ file: SafetensorsFile, size: Int) throws {
    var total = 0
    for name in file.names {
      let count = try file.shape(of: name).reduce(1, *)
      let type = try file.elementType(of: name)
      total += count * type.byteCount
      switch type {
      case .float32, .float16, .bfloat16, .float64:
        try require(file.floats(name).count == count)
        try require(file.doubles(name).count == count)
      case .int64, .int32:
        try require(file.int64s(name).count == count)
      default:
        try require((try? file.floats(name)) == nil)
      }
    }
    try require(total <= size)
  }

  private static func require(_ condition: Bool) throws {
    if !condition { throw DamagedCopies.Failure(description: "the file contradicts itself") }
  }

  @Test func thousandMutationsAreReadOrRefused() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        var (readCount, refusedCount, parsedCount) = (0, 0, 0)
        try withTemporaryDirectory { directory in
          let path = directory.file("damaged.safetensors")
          try DamagedCopies.confined { generator in
            let bytes = MutationTests.mutate(MutationTests.original, with: &generator)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            do {
              try MutationTests.read(SafetensorsFile(path: path), size: bytes.count)
              readCount += 1
            } catch let error as SafetensorsError {
              guard error.file == path, error.description.count < 1000 else { throw error }
              refusedCount += 1
              switch error.problem {
              case .truncated, .headerLength: break
              default: parsedCount += 1
              }
            }
          }
        }
        // The mutations must reach all: what is harmless, what the parser refuses, what is refused before it.
        guard readCount > 20, parsedCount > 200, refusedCount > parsedCount else { exit(2) }
      }
    }
  }

  @Test func everyTruncationIsRefused() throws {
    try withTemporaryDirectory { directory in
      let path = directory.file("cut.safetensors")
      for count in 0..<Self.original.count {
        try Data(Self.original[..<count]).write(to: URL(fileURLWithPath: path))
        #expect(throws: SafetensorsError.self, "cut to \(count) bytes") { try SafetensorsFile(path: path) }
      }
    }
  }
}
