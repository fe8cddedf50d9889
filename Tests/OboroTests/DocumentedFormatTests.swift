import Checkpoints
import Foundation
import TestSupport
import Testing

/// What `Docs/Files.md` says of the files, read by the programs that it names.
@Suite struct DocumentedFormatTests {
  private static let document = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Docs/Files.md").path

  /// Whether there is a Python that reads HDF5, with which the examples can be run.
  private static let hasPython =
    (try? ProcessRun.run(URL(filePath: "/usr/bin/env"), ["python3", "-c", "import h5py"]).exitStatus) == 0

  /// The Python examples of a chapter.
  private static func examples(_ chapter: String) throws -> [String] {
    let chapters = text(document).components(separatedBy: "\n## ")
    let content = try #require(chapters.first { $0.hasPrefix(chapter + "\n") }, "no chapter \(chapter)")
    return content.components(separatedBy: "```python\n").dropFirst()
      .map { $0.components(separatedBy: "```")[0] }
  }

  /// Runs Python in a folder that has what the examples speak of.
  private static func run(_ program: String, in folder: TemporaryDirectory) throws -> ProcessRun {
    let process = try RunningProcess(
      URL(filePath: "/usr/bin/env"), ["python3", "-c", program], directory: URL(filePath: folder.path))
    return try process.wait()
  }

  @Test(.enabled(if: hasPython, "needs python3 with h5py")) func checkpointsAreAsDocumented() throws {
    let folder = try TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: "\(folder.path)/runs", withIntermediateDirectories: true)
    let trial = try Trial()
    try trial.trainToEnd("checkpoint.part_bytes=100000", "training.steps=2", "sampling.every=0")
    try copy(trial.run, to: "\(folder.path)/runs/first")

    let example = try #require(try Self.examples("Checkpoint").first)
    #expect(example.split(separator: "\n").count == 10)
    let run = try Self.run(example, in: folder)
    #expect(
      run.exitStatus == 0 && run.output == "2 ['ema', 'exp_avg', 'exp_avg_sq', 'model'] True\n", "\(run)")
  }

  @Test(.enabled(if: hasPython, "needs python3 with h5py")) func manifestsAreSealedAsDocumented() throws {
    let seal = "import hashlib, json\n" + (try #require(try Self.examples("The seal").first))
    let trial = try Reference.short.get()
    for manifest in ["\(trial.checkpoint(8))/manifest.json", "\(try Trial.path())/dataset.json"] {
      let folder = try TemporaryDirectory()
      try copy(manifest, to: "\(folder.path)/manifest.json")
      let run = try Self.run(seal, in: folder)
      #expect(run.exitStatus == 0, "\(run)")
    }
  }
}
