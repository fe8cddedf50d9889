import Checkpoints
import Files
import Settings
import TestSupport
import Testing
import TrainingTestSupport

@Suite struct CheckpointManifestTests {
  private func manifest() throws -> CheckpointManifest {
    CheckpointManifest(
      step: 12, images: 96, imageShape: [16, 12, 3], datasetDigest: "abc",
      classNames: ["10", "T-shirt", "caf\u{E9} \"au lait\""],
      configuration: try configuration().resolved,
      files: [
        .init(name: "model.h5", bytes: 10, sha256: "01"), .init(name: "optimizer.h5", bytes: 0, sha256: "02"),
      ])
  }

  /// Reads a manifest with this text.
  private func read(_ text: String) throws -> CheckpointManifest {
    let folder = try TemporaryDirectory()
    try write(text, to: "\(folder.path)/\(CheckpointManifest.fileName)")
    return try CheckpointManifest(checkpoint: folder.path)
  }

  @Test func itReadsBackEqual() throws {
    let manifest = try manifest()
    #expect(try read(manifest.json) == manifest)
    #expect(manifest.json.contains("\"format_version\": 1"))
  }

  /// Those of earlier versions do not know how classes are called.
  @Test func namesOfClassesMayBeMissing() throws {
    let manifest = CheckpointManifest(
      step: 1, images: 8, imageShape: [4, 4, 1], datasetDigest: "abc", configuration: .empty,
      files: [.init(name: "model.h5", bytes: 10, sha256: "01")])
    let text = manifest.json.replacing(/\s*"class_names": \[\],/, with: "")
    #expect(!text.contains("class_names"))
    let digest = try #require(text.firstMatch(of: /"manifest_sha256": "([0-9a-f]{64})"/)).1
    let read = try read(
      ChecksummedText.seal(
        text.replacing(digest, with: ChecksummedText.blank), key: "manifest_sha256"))
    #expect(read == manifest && read.classNames == [])
  }

  @Test(arguments: [
    (
      "\"format_version\": 1", "\"format_version\": 2", "has format version 2, but this program reads up to 1"
    ),
    ("\"format_version\": 1", "\"format_version\": 0", "format_version: expected"),
    ("\"format_version\": 1,", "", "format_version: is missing"),
    ("\"step\": 12", "\"step\": -1", "step: expected"),
    ("\"step\": 12", "\"step\": \"twelve\"", "step: expected"),
    ("\"images\": 96", "\"images\": null", "images: expected"),
    ("[16, 12, 3]", "[16, 12]", "image_shape: expected"),
    ("\"model.h5\"", "\"../model.h5\"", "files.name: expected the name of a file beside the manifest"),
    ("\"model.h5\"", "\"other.h5\"", "it does not name model.h5"),
    ("\"files\"", "\"folders\"", "files: is missing, or no list"),
    ("\"step\": 12", "\"step\": 13", "it was altered, its manifest_sha256 is not that of its content"),
    ("\"step\": 12", "\"step\":  12", "it was altered"),
    ("\"abc\"", "\"abd\"", "it was altered"),
    ("\"manifest_sha256\"", "\"manifest_sha257\"", "manifest_sha256: is missing"),
    ("{", "", "damaged"),
  ]) func damageIsNamed(old: String, new: String, message: String) throws {
    let text = try manifest().json
    let place = try #require(text.firstRange(of: old))
    let error = #expect(throws: CheckpointError.self) {
      try read(text.replacingCharacters(in: place, with: new))
    }
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
  }

  @Test func aFolderWithoutOneIsNoCheckpoint() throws {
    let folder = try TemporaryDirectory()
    let error = #expect(throws: CheckpointError.self) { try CheckpointManifest(checkpoint: folder.path) }
    #expect(error?.path == folder.path)
    #expect(error?.problem == "has no manifest.json: it is no checkpoint, or was not completed")
  }
}
