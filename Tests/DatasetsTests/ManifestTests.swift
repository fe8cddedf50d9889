import Datasets
import Files
import Foundation
import Testing

@Suite("The manifest")
struct ManifestTests {
  private static let text = """
    {
      "channels" : 1,
      "class_names" : [
        "T-shirt/top"
      ],
      "format_version" : 1,
      "height" : 2,
      "image_count" : 5,
      "name" : "n",
      "shards" : [
        {
          "file_name" : "train-00000-of-00002.h5",
          "image_count" : 2,
          "sha256" : "\(String(repeating: "0a", count: 32))"
        },
        {
          "file_name" : "train-00001-of-00002.h5",
          "image_count" : 3,
          "sha256" : "\(String(repeating: "f1", count: 32))"
        }
      ],
      "split" : "train",
      "width" : 3
    }

    """

  private func manifest(_ text: String = text) throws -> DatasetManifest {
    try withTemporaryDirectory { directory in
      try write(Array(text.utf8), to: "\(directory)/dataset.json")
      return try DatasetManifest(directory: directory)
    }
  }

  @Test func isReadAndWritten() throws {
    let manifest = try manifest()
    #expect(manifest.formatVersion == 1)
    #expect(manifest.name == "n" && manifest.split == "train")
    #expect(manifest.imageCount == 5 && manifest.height == 2 && manifest.width == 3 && manifest.channels == 1)
    #expect(manifest.classNames == ["T-shirt/top"])
    #expect(manifest.shards.map(\.fileName) == ["train-00000-of-00002.h5", "train-00001-of-00002.h5"])
    #expect(manifest.shards.map(\.imageCount) == [2, 3])
    #expect(manifest.shards[1].sha256 == String(repeating: "f1", count: 32))
    // As it was read, but for the seal.
    let written = String(decoding: try manifest.encoded(), as: UTF8.self)
    let seal = try #require(written.firstMatch(of: #/  "manifest_sha256" : "[0-9a-f]{64}",\n/#))
    #expect(written.replacing(seal.0, with: "") == Self.text)
    #expect(try self.manifest(written) == manifest)
  }

  @Test(arguments: [
    ("\"height\" : 2", "\"height\" : 4", "was altered: its manifest_sha256 is not that of its content"),
    ("T-shirt", "T-skirt", "was altered"), ("\"width\" : 3\n", "\"width\" :\t3\n", "was altered"),
    ("manifest_sha256", "manifest_sha257", "has the unknown key \"manifest_sha257\""),
  ]) func alterationsAreFound(old: String, new: String, problem: String) throws {
    let text = String(decoding: try manifest().encoded(), as: UTF8.self)
    try #require(text.contains(old))
    let error = #expect(throws: DatasetError.self) { try manifest(text.replacing(old, with: new)) }
    #expect(error?.description.contains(problem) == true, "\(error as Any)")
  }

  @Test(arguments: [
    ("\"format_version\" : 1", "\"format_version\" : 2", "format version 2, expected 1"),
    ("\"image_count\" : 5", "\"image_count\" : 6", "promises 6 images, its shards hold 5"),
    ("\"image_count\" : 5", "\"image_count\" : \"5\"", "image_count is not of type Int"),
    ("\"image_count\" : 2", "\"image_count\" : null", "shards.0.image_count is null"),
    ("\"image_count\" : 2", "\"image_count\" : -2", "train-00000-of-00002.h5 has -2 images"),
    ("\"width\" : 3", "\"breadth\" : 3", "the key width is missing"),
    ("\"width\" : 3", "\"width\" : 0", "2 x 0 x 1"),
    ("\"width\" : 3", "\"width\" : 9223372036854775807", "more than 2^63 bytes"),
    ("train-00001-of-00002.h5", "../secret.h5", "\"../secret.h5\" is not the name of a file beside it"),
    ("train-00001-of-00002.h5", "train-00000-of-00002.h5", "lists a shard twice"),
    ("f1f1", "", "expected 64 digits"),
    ("{", "", "not JSON"),
  ])
  func contradictionsAreNamed(old: String, new: String, problem: String) throws {
    try withTemporaryDirectory { directory in
      let range = try #require(Self.text.range(of: old))
      let text = Self.text.replacingCharacters(in: range, with: new)
      try write(Array(text.utf8), to: "\(directory)/dataset.json")
      let error = try #require(throws: DatasetError.self) { try DatasetManifest(directory: directory) }
      #expect(error.description.hasPrefix("\(directory)/dataset.json: "))
      #expect(error.description.contains(problem))
      #expect(error.kind == .badData)
    }
  }

  @Test func digestDependsOnEveryShard() throws {
    let digest = try manifest().digest
    #expect(digest.count == 64)
    #expect(try manifest().digest == digest)
    for (old, new) in [("0a0a", "0b0a"), ("f1f1", "f2f1")] {
      #expect(try manifest(Self.text.replacingOccurrences(of: old, with: new)).digest != digest)
    }
  }

  @Test func sha256() throws {
    // FIPS 180-2, appendix B.1.
    let golden = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(SHA256.digest(of: "abc") == golden)
    try withTemporaryDirectory { directory in
      try write(Array("abc".utf8), to: "\(directory)/a")
      #expect(try SHA256.digest(ofFile: "\(directory)/a") == golden)
      // Longer than a piece that is read at once.
      let long = String(repeating: "0123456789", count: 250_000)
      try write(Array(long.utf8), to: "\(directory)/b")
      #expect(try SHA256.digest(ofFile: "\(directory)/b") == SHA256.digest(of: long))
      #expect(throws: FileError.self) { try SHA256.digest(ofFile: "\(directory)/c") }
    }
  }
}
