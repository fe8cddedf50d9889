import Foundation
import Pictures
import TestSupport
import Testing

/// Images drawn while training, and by `oboro sample`.
@Suite struct SamplingTests {
  @Test func trainingWritesGrids() throws {
    let trial = try Reference.short.get()
    #expect(names(in: "\(trial.run)/samples") == ["step-00000004.png", "step-00000008.png"])
    for step in [4, 8] {
      let grid = try ImageFile("\(trial.run)/samples/\(stepName(step)).png").decode()
      // Three images in rows of two, each 16 pixels enlarged to 64, with 2 around and between.
      #expect((grid.width, grid.height) == (2 * 66 + 2, 2 * 66 + 2))
      #expect(Set(grid.samples).count > 10)
    }
  }

  /// Runs `oboro sample` into a new folder and returns its files.
  private func sample(
    _ options: String..., checkpoint: String? = nil, ranks: Int? = nil
  ) throws -> [String: Data] {
    let folder = try TemporaryDirectory()
    let output = "\(folder.path)/new/samples"
    let source = try checkpoint ?? Reference.short.get().run
    let run = try oboro(["sample", "--checkpoint", source, "--output", output] + options, ranks: ranks)
    try #require(run.exitStatus == 0, "\(run)")
    #expect(run.output == "\(output)/grid.png\n", "\(run)")
    return try Dictionary(
      uniqueKeysWithValues: names(in: output).map { ($0, try content("\(output)/\($0)")) })
  }

  @Test func imagesDependOnSeedAndNumberAlone() throws {
    let three = try sample("--count", "3")
    #expect(Set(three.keys) == ["00000.png", "00001.png", "00002.png", "grid.png"])
    #expect(three["00000.png"] != three["00001.png"])
    #expect(try sample("--count", "3") == three)
    #expect(try sample("--count", "3", ranks: 2) == three)
    #expect(try sample("--count", "3", "--threads", "2") == three)
    let two = try sample("--count", "2")
    #expect(two.count == 3)
    #expect(two["00001.png"] == three["00001.png"])
    #expect(try sample("--count", "2", "--seed", "7")["00000.png"] != two["00000.png"])
  }

  @Test func optionsTakeEffect() throws {
    let all = try sample("--count", "1")
    #expect(try sample("--count", "1", "--steps", "20") == all)
    #expect(try sample("--count", "1", "--steps", "4") != all)
    #expect(try sample("--count", "1", "--weights", "ema") == all)
    #expect(try sample("--count", "1", "--weights", "model") != all)
    #expect(try sample("--count", "1", "--sampler", "ddpm") == all)
    // A rank may be left without an image.
    #expect(try sample("--count", "1", ranks: 2) == all)
  }

  @Test func anyWayToNameACheckpointWorks() throws {
    let trial = try Reference.short.get()
    let newest = try sample("--count", "1")
    #expect(try sample("--count", "1", checkpoint: "\(trial.run)/checkpoints/latest") == newest)
    #expect(try sample("--count", "1", checkpoint: trial.checkpoint(8)) == newest)
    #expect(try sample("--count", "1", checkpoint: trial.checkpoint(2)) != newest)
  }

  @Test func anAnimationIsWrittenOnRequest() throws {
    let files = try sample("--count", "2", "--gif", "--steps", "5")
    let animation = try #require(files["denoising.gif"])
    #expect(animation.starts(with: Data("GIF89a".utf8)))
    #expect(Set(files.keys) == ["00000.png", "00001.png", "denoising.gif", "grid.png"])
  }

  @Test func anEarlierCallsPicturesAreReplaced() throws {
    let folder = try TemporaryDirectory()
    let source = try Reference.short.get().run
    for (count, names) in [(3, 4), (2, 3)] {
      // What a crash may leave is no reason to refuse the folder.
      try Data().write(to: URL(filePath: "\(folder.path)/.grid.png.1.tmp"))
      let run = try oboro(["sample", "--checkpoint", source, "--output", folder.path, "--count", "\(count)"])
      #expect(run.exitStatus == 0, "\(run)")
      #expect(OboroTests.names(in: folder.path).count { !$0.hasPrefix(".") } == names)
    }
  }

  /// What fails leaves the folder as it was.
  @Test func wrongCallsLeaveNothing() throws {
    let source = try Reference.short.get().run
    let folder = try TemporaryDirectory()
    let output = "\(folder.path)/samples"
    func fail(_ status: Int32, _ message: String, _ arguments: String..., ranks: Int? = nil) throws {
      let run = try oboro(["sample"] + arguments, ranks: ranks)
      expectFailure(run, status, message)
      #expect(names(in: folder.path) == [], "\(run)")
    }
    try fail(
      64, "21 steps are not in 1...20, the timesteps of the model", "--checkpoint", source, "--output",
      output,
      "--steps", "21", ranks: 2)
    try fail(64, "expected a whole number from 1", "--checkpoint", source, "--output", output, "--steps", "0")
    try fail(64, "--count must be 1 to 100000", "--checkpoint", source, "--output", output, "--count", "0")
    try fail(
      64, "euler-ancestral", "--checkpoint", source, "--output", output, "--sampler", "karras", ranks: 2)
    try fail(
      65, "\(folder.path)/none: there is no such checkpoint or run directory", "--checkpoint",
      "\(folder.path)/none",
      "--output", output, ranks: 2)
    try fail(65, "has no manifest.json", "--checkpoint", try Trial.path(), "--output", output)
  }

  @Test func aRunWithoutACheckpointSaysSo() throws {
    let trial = try Reference.copyOfShort()
    for step in [2, 4, 6, 8] { try FileManager.default.removeItem(atPath: trial.checkpoint(step)) }
    let run = try oboro(["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/samples"])
    expectFailure(run, 65, "\(trial.run): the run has no checkpoint yet")
  }

  @Test func aTruncatedModelIsNamed() throws {
    let trial = try Reference.copyOfShort()
    truncate("\(trial.checkpoint(8))/model.h5", 5000)
    let arguments = ["sample", "--output", "\(trial.path)/samples", "--count", "1", "--checkpoint"]
    expectFailure(
      try oboro(arguments + [trial.checkpoint(8)]), 65, "\(trial.checkpoint(8))/model.h5: has 5000 bytes")
    // Of a run, the newest good one does.
    let run = try oboro(arguments + [trial.run], ranks: 2)
    #expect(run.exitStatus == 0, "\(run)")
    #expect(run.errors.components(separatedBy: "passed over").count == 2, "\(run)")
  }

  @Test func aFolderWithSomethingElseIsLeftAlone() throws {
    let folder = try TemporaryDirectory()
    for name in ["00000.png", "thesis.tex"] {
      try Data("x".utf8).write(to: URL(filePath: "\(folder.path)/\(name)"))
    }
    let source = try Reference.short.get().run
    let arguments = ["sample", "--checkpoint", source, "--count", "1", "--output"]
    expectFailure(
      try oboro(arguments + [folder.path], ranks: 2), 64,
      "\(folder.path) holds something else than samples (thesis.tex)")
    #expect(text("\(folder.path)/00000.png") == "x")
    expectFailure(
      try oboro(arguments + ["\(folder.path)/thesis.tex"]), 74, "cannot create the directory",
      "\(folder.path)/thesis.tex")
  }
}
