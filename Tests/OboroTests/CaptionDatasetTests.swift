import Foundation
import HDF5
import Pictures
import TestSupport
import Testing

/// Datasets with captions, made by the command.
@Suite struct CaptionDatasetTests {
  /// A folder with two pictures, `a/x.png` and `b/y.png`.
  private func pictures() throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory()
    for name in ["a/x", "b/y"] {
      let path = "\(folder.path)/source/\(name).png"
      try FileManager.default.createDirectory(
        at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
      try Picture(width: 2, height: 2, channels: 1, samples: [0, 9, 200, 255]).writePNG(to: path)
    }
    return folder
  }

  private func write(_ bytes: some Sequence<UInt8>, _ name: String, in folder: TemporaryDirectory) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(folder.path)/source/\(name)"))
  }

  private func prepare(_ folder: TemporaryDirectory, _ options: String...) throws -> ProcessRun {
    try oboro(
      ["prepare", "images", "--source", "\(folder.path)/source", "--output", "\(folder.path)/data"] + options)
  }

  private func captions(_ folder: TemporaryDirectory) throws -> [String] {
    let file = try HDF5.File(opening: "\(folder.path)/data/train-00000-of-00001.h5")
    return try file.root.dataset("captions").readStrings()
  }

  @Test func theyComeFromWhatThereIs() throws {
    let folder = try pictures()
    #expect(try prepare(folder, "--captions", "classes").exitStatus == 0)
    #expect(try captions(folder) == ["a", "b"])
    try write("a cat\n".utf8, "a/x.txt", in: folder)
    try write("\u{FEFF}zwölf\nHunde\n".utf8, "b/y.txt", in: folder)
    #expect(try prepare(folder).exitStatus == 0)
    #expect(try captions(folder) == ["a cat", "zwölf Hunde"])
    let lines = """
      {"file_name": "b/y.png", "text": "two", "more": 1}
      {"text": "one \\u00e9", "file_name": "a/x.png"}

      {"file_name": "c.png", "text": "three"}
      """
    try write(lines.utf8, "metadata.jsonl", in: folder)
    let run = try prepare(folder)
    #expect(run.exitStatus == 0 && run.errors.contains("1 lines of metadata.jsonl name no picture"), "\(run)")
    #expect(try captions(folder) == ["one é", "two"])
    #expect(try prepare(folder, "--captions", "files").exitStatus == 0)
    #expect(try captions(folder) == ["a cat", "zwölf Hunde"])
  }

  /// Those that a picture lacks beside others are empty.
  @Test func aPictureMayHaveSeveral() throws {
    let folder = try pictures()
    try write("a cat\n\n on a mat \n".utf8, "a/x.txt", in: folder)
    try write("dogs".utf8, "b/y.txt", in: folder)
    #expect(try prepare(folder, "--captions", "lines").exitStatus == 0)
    #expect(try captions(folder) == ["a cat", "on a mat", "dogs", ""])
    let lines = """
      {"file_name": "a/x.png", "text": "one"}
      {"file_name": "b/y.png", "text": ["two", "three", "four"]}
      """
    try write(lines.utf8, "metadata.jsonl", in: folder)
    #expect(try prepare(folder).exitStatus == 0)
    #expect(try captions(folder) == ["one", "", "", "two", "three", "four"])
    let inspected = try oboro(["inspect", "\(folder.path)/data", "--verify"])
    #expect(inspected.exitStatus == 0 && inspected.output.contains("captions"), "\(inspected)")
    try write(#"{"file_name": "a/x.png", "text": []}"#.utf8, "metadata.jsonl", in: folder)
    let none = try prepare(folder)
    #expect(none.exitStatus == 65 && none.errors.contains("or a list of captions"), "\(none)")
  }

  @Test func thoseThatAreMissingAreNamed() throws {
    let folder = try pictures()
    expectFailure(try prepare(folder, "--captions", "files"), 65, "has no captions")
    expectFailure(try prepare(folder, "--captions", "metadata"), 65, "there is no metadata.jsonl")
    try write("a cat".utf8, "a/x.txt", in: folder)
    let partial = try prepare(folder)
    #expect(partial.exitStatus == 65 && partial.errors.contains("b/y.png: has no .txt file"), "\(partial)")
    try write([0x63, 0x61, 0x66, 0xE9], "b/y.txt", in: folder)
    let latin = try prepare(folder)
    #expect(latin.exitStatus == 65 && latin.errors.contains("b/y.txt: is not UTF-8"), "\(latin)")
    try write(#"{"file_name": "a/x.png"}"#.utf8, "metadata.jsonl", in: folder)
    let line = try prepare(folder)
    #expect(line.exitStatus == 65 && line.errors.contains("metadata.jsonl, line 1: expected"), "\(line)")
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/data/dataset.json"))
  }

  private static let hasEmoji = ["fonts/truetype/noto/NotoColorEmoji.ttf", "unicode/emoji/emoji-test.txt"]
    .allSatisfy { FileManager.default.fileExists(atPath: "/usr/share/\($0)") }

  /// The captions of a dataset of held-out emoji.
  private func names(in folder: TemporaryDirectory, _ options: String...) throws -> [String] {
    let run = try oboro(
      ["prepare", "emoji", "--output", "\(folder.path)/data", "--size", "32", "--split", "test"] + options)
    try #require(run.exitStatus == 0, "\(run)")
    let file = try HDF5.File(opening: "\(folder.path)/data/test-00000-of-00001.h5")
    return try file.root.dataset("captions").readStrings()
  }

  @Test(.enabled(if: hasEmoji)) func emojiHaveTheirNames() throws {
    let folder = try TemporaryDirectory()
    let names = try names(in: folder)
    #expect(names.contains("woman: light skin tone, red hair") && !names.contains("grinning face"))
    #expect(Set(names).count == names.count && names.count == 60)
    #expect(try self.names(in: folder, "--count", "5") == [0, 12, 24, 36, 48].map { names[$0] })
    expectFailure(
      try oboro(["prepare", "emoji", "--output", "\(folder.path)/data", "--split", "test", "--count", "61"]),
      65,
      "has 60 emoji")
  }

  @Test func anEmojiFontMustBeOne() throws {
    let folder = try pictures()
    expectFailure(
      try oboro([
        "prepare", "emoji", "--source", "\(folder.path)/source/a/x.png", "--output", "\(folder.path)/data",
        "--list", "\(folder.path)/source/a/x.png",
      ]), 65, "is no font file")
    expectFailure(
      try oboro(["prepare", "emoji", "--source", "\(folder.path)/no", "--output", "\(folder.path)/data"]), 65,
      "is missing")
  }
}
