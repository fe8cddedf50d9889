import Foundation
import HDF5
import TestSupport
import Testing

/// Datasets that are missing or damaged, and what they are made from.
@Suite struct DatasetErrorTests {
  struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let messages: [String]
    /// Damages the dataset in a directory.
    let apply: @Sendable (_ dataset: String) throws -> Void
  }

  static let shard = "train-00001-of-00002.h5"

  static let damages = [
    Damage(testDescription: "no dataset", messages: [": does not exist", "oboro prepare"]) {
      try FileManager.default.removeItem(atPath: $0)
    },
    Damage(testDescription: "no manifest", messages: ["has no dataset.json"]) {
      unlink("\($0)/dataset.json")
    },
    Damage(testDescription: "a truncated manifest", messages: ["/dataset.json: is not a dataset's manifest"])
    {
      truncate("\($0)/dataset.json", 50)
    },
    Damage(testDescription: "a missing shard", messages: ["/\(shard): cannot open it: No such file"]) {
      unlink("\($0)/\(shard)")
    },
    Damage(testDescription: "a truncated shard", messages: ["/\(shard): "]) {
      truncate("\($0)/\(shard)", 9000)
    },
    Damage(testDescription: "an empty shard", messages: ["/\(shard): "]) { truncate("\($0)/\(shard)", 0) },
    Damage(
      testDescription: "a shard of another shape",
      messages: ["/\(shard)", "/images", "[100, 8, 16, 2]", "expected [100, 16, 16, 1]"]
    ) {
      unlink("\($0)/\(shard)")
      let file = try HDF5.File(creating: "\($0)/\(shard)")
      try file.root.createDataset("images", of: UInt8.self, shape: [100, 8, 16, 2])
        .write([UInt8](repeating: 1, count: 100 * 256))
      try file.root.createDataset("labels", of: Int32.self, shape: [100]).write(
        [Int32](repeating: 1, count: 100))
      try file.close()
    },
  ]

  /// A configuration that is used from another folder than its paths are meant for.
  @Test func aRelativePathIsSaidToBeOne() throws {
    let trial = try Trial()
    let folder = FileManager.default.currentDirectoryPath
    expectFailure(
      try trial.train(dataset: "no/data"), 65,
      "oboro: no/data: does not exist (a relative path, looked for in \(folder)); make a dataset there")
    expectFailure(
      try oboro(["sample", "--checkpoint", "no/run", "--output", "\(trial.path)/samples"]), 65,
      "oboro: \(folder)/no/run: there is no such checkpoint or run directory")
  }

  @Test(arguments: damages) func damageIsNamedBeforeTrainingStarts(damage: Damage) throws {
    let trial = try Trial()
    let dataset = "\(trial.path)/data"
    try copy(try Trial.path(), to: dataset)
    try damage.apply(dataset)
    for ranks in [nil, 2] {
      let run = try trial.train(ranks: ranks, dataset: dataset)
      expectFailure(run, 65, dataset)
      for message in damage.messages { #expect(run.errors.contains(message), "no \"\(message)\"\n\(run)") }
    }
    #expect(!exists(trial.run))
  }

  // MARK: What datasets are made from

  private func idx(_ magic: UInt8, _ dimensions: [UInt8], _ count: Int) -> Data {
    Data([0, 0, 8, magic] + dimensions.flatMap { [0, 0, 0, $0] }) + Data(repeating: 1, count: count)
  }

  /// Runs `oboro prepare mnist` of a folder with these files and expects that it leaves nothing.
  private func expectRefused(
    images: Data, labels: Data, gzip: Bool = false, truncated: Bool = false, ranks: Int? = nil,
    _ message: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try TemporaryDirectory()
    let (image, label) = ("\(folder.path)/train-images-idx3-ubyte", "\(folder.path)/train-labels-idx1-ubyte")
    try images.write(to: URL(filePath: image))
    try labels.write(to: URL(filePath: label))
    if gzip {
      let run = try ProcessRun.run(URL(filePath: "/usr/bin/env"), ["gzip", image, label])
      try #require(run.exitStatus == 0, "\(run)")
    }
    if truncated { truncate("\(image).gz", 60) }
    let output = "\(folder.path)/new/data"
    let run = try oboro(["prepare", "mnist", "--source", folder.path, "--output", output], ranks: ranks)
    expectFailure(run, 65, folder.path, message, sourceLocation: sourceLocation)
    #expect(!exists("\(folder.path)/new"), sourceLocation: sourceLocation)
  }

  @Test func damagedSourcesAreNamed() throws {
    let (images, labels) = (idx(3, [10, 28, 28], 10 * 784), idx(1, [10], 10))
    var noise = images
    for index in noise.indices.dropFirst(16) { noise[index] = UInt8(truncatingIfNeeded: index &* index >> 5) }
    try expectRefused(
      images: noise, labels: labels, gzip: true, truncated: true, ranks: 2,
      "train-images-idx3-ubyte.gz: is truncated: the gzip data ends early")
    try expectRefused(
      images: idx(1, [10, 28, 28], 10 * 784), labels: labels, ranks: 2,
      "train-images-idx3-ubyte: is not an IDX file of images: starts with 0x00000801, expected 0x00000803")
    try expectRefused(
      images: images, labels: idx(1, [9], 9), "train-labels-idx1-ubyte: holds 9 labels, but ")
    try expectRefused(
      images: idx(3, [10, 28, 28], 100), labels: labels,
      "promises 10 x 28 x 28 images, 7840 bytes, but 100 follow")
  }

  @Test func aMissingSourceIsNamed() throws {
    let folder = try TemporaryDirectory()
    let arguments = ["prepare", "mnist", "--output", "\(folder.path)/data", "--source"]
    expectFailure(
      try oboro(arguments + ["\(folder.path)/none"]), 65, "\(folder.path)/none: is not a directory")
    expectFailure(
      try oboro(arguments + [folder.path], ranks: 2), 65,
      "\(folder.path): holds none of train-images-idx3-ubyte.gz")
    #expect(names(in: folder.path) == [])
  }

  @Test func aFolderWithSomethingElseIsLeftAlone() throws {
    let folder = try TemporaryDirectory()
    let thesis = "\(folder.path)/thesis.tex"
    try Data("x".utf8).write(to: URL(filePath: thesis))
    let arguments = ["prepare", "shapes", "--count", "10", "--output"]
    expectFailure(
      try oboro(arguments + [folder.path]), 65,
      "\(folder.path): holds what is not part of a dataset (thesis.tex)")
    expectFailure(
      try oboro(arguments + ["\(thesis)/data"]), 74, "\(thesis)/data: cannot make it: Not a directory")
    #expect(names(in: folder.path) == ["thesis.tex"] && text(thesis) == "x")
  }
}
