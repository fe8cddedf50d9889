import Checkpoints
import Files
import Foundation
import TestSupport
import Testing
import TrainingTestSupport

@Suite struct CheckpointStoreTests {
  private let folder: TemporaryDirectory
  private var path: String { "\(folder.path)/checkpoints" }

  init() throws { folder = try TemporaryDirectory() }

  @discardableResult
  private func save(_ step: Int, scale: Float = 1, keep: Int = 0, keepEvery: Int = 0) throws -> String {
    try save(state(step: step, scale: scale), keep: keep, keepEvery: keepEvery)
  }

  private func save(
    _ state: TrainingState, keep: Int = 0, keepEvery: Int = 0, partBytes: Int = 1 << 20
  ) throws -> String {
    let store = CheckpointStore(directory: path, keep: keep, keepEvery: keepEvery)
    let partial = store.partialPath(state.step, writer: "test")
    try Checkpoint.writeFiles(state, provenance(state), partBytes: partBytes, to: partial)
    #expect(try store.publish(partial, step: state.step) == [])
    return store.path(state.step)
  }

  private func newest() throws -> (checkpoint: Checkpoint?, damaged: [CheckpointError]) {
    var damaged: [CheckpointError] = []
    return (try CheckpointStore(directory: path).newest { damaged.append($0) }, damaged)
  }

  /// In one file and in many; the last one holds a parameter each.
  @Test(arguments: [1 << 20, 20_000, 1]) func aStateComesBackBitForBit(partBytes: Int) throws {
    let saved = try state(step: 7, scale: 1 / 3)
    // What arithmetic would not keep.
    saved.weights.pointer[0] = Float(bitPattern: 0x7FC0_1234)
    saved.ema.pointer[0] = -0.0
    saved.secondMoment.pointer[0] = .leastNonzeroMagnitude
    let directory = try save(saved, partBytes: partBytes)
    #expect(directory == "\(path)/step-00000007")
    let parts = names(in: directory).filter { $0.hasPrefix("optimizer-") }
    #expect(partBytes == 1 << 20 ? parts == ["optimizer-00000-of-00001.h5"] : parts.count > 5)

    let restored = onlyRank(TrainingState(layout: saved.layout, seed: 99))
    let checkpoint = try Checkpoint(opening: directory)
    try checkpoint.restore(restored)
    #expect(restored.step == 7)
    #expect(bits(whole(restored)) == bits(saved))

    // Another rank of another world takes its parts only.
    let ranges = [0..<100, 300..<saved.layout.flatCount - 50]
    let shared = ShardedState(layout: saved.layout, seed: 99, parts: ranges)
    try checkpoint.restore(shared)
    let expected = bits(whole(ShardedState(saved, parts: ranges)))
    #expect(bits(whole(shared)) == expected && expected != bits(saved))
    // Where no average is kept, the file's does not get into its place: the weights'.
    let plain = ShardedState(
      layout: saved.layout, seed: 99, parts: [0..<saved.layout.flatCount], keepsEMA: false)
    try checkpoint.restore(plain)
    #expect(
      plain.weights.elements.map(\.bitPattern) == restored.weights.elements.map(\.bitPattern))
    #expect(plain.ema.pointer(0) == plain.weights.pointer)
    #expect(checkpoint.manifest.images == 56 && checkpoint.manifest.imageShape == [16, 16, 1])
    for (which, memory) in [(Checkpoint.Weights.trained, saved.weights), (.ema, saved.ema)] {
      let read = try checkpoint.weights(which, layout: saved.layout)
      #expect(read.elements.map(\.bitPattern) == memory.elements.map(\.bitPattern))
    }
  }

  @Test func theSameStateGivesTheSameBytes() throws {
    let contents = try (0..<2).map { _ in
      let directory = try save(3)
      return try names(in: directory).map { try Data(contentsOf: URL(filePath: "\(directory)/\($0)")) }
    }
    #expect(contents[0] == contents[1] && contents[0].count == 3)
  }

  @Test func latestPointsToTheNewest() throws {
    for step in [1, 2, 3] {
      try save(step)
      let target = try FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/latest")
      #expect(target == "step-0000000\(step)")
    }
    #expect(try Checkpoint(opening: "\(path)/latest").manifest.step == 3)
    #expect(try CheckpointStore(directory: path).steps() == [3, 2, 1])
    #expect(names(in: path) == ["latest", "step-00000001", "step-00000002", "step-00000003"])
  }

  @Test(arguments: [(0, [1, 2, 3, 4]), (1, [4]), (2, [3, 4]), (9, [1, 2, 3, 4])])
  func asManyAreKeptAsAskedFor(keep: Int, steps: [Int]) throws {
    for step in 1...4 { try save(step, keep: keep) }
    #expect(try CheckpointStore(directory: path).steps().sorted() == steps)
  }

  @Test func someAreKeptForEver() throws {
    for step in 1...9 { try save(step, keep: 2, keepEvery: 3) }
    #expect(try CheckpointStore(directory: path).steps().sorted() == [3, 6, 8, 9])
  }

  /// A run that went back behind damaged checkpoints removes none that it has not done again.
  @Test func laterStepsAreNotOlderOnes() throws {
    for step in [10, 20, 30] { try save(step) }
    try save(15, keep: 1)
    #expect(try CheckpointStore(directory: path).steps() == [30, 20, 15])
  }

  @Test func aStepIsReplaced() throws {
    try save(5)
    try save(5, scale: 2)
    let restored = onlyRank(try state(step: 0))
    try Checkpoint(opening: "\(path)/step-00000005").restore(restored)
    #expect(try bits(whole(restored)) == bits(state(step: 5, scale: 2)))
    #expect(names(in: path) == ["latest", "step-00000005"])
  }

  @Test func damagedOnesArePassedOver() throws {
    for step in 1...3 { try save(step) }
    unlink("\(path)/step-00000003/manifest.json")
    truncate("\(path)/step-00000002/model.h5", 100)
    let (checkpoint, damaged) = try newest()
    #expect(checkpoint?.manifest.step == 1)
    #expect(damaged.map(\.path) == ["\(path)/step-00000003", "\(path)/step-00000002/model.h5"])
    truncate("\(path)/step-00000001/model.h5", 100)
    #expect(throws: CheckpointError.self) { try newest() }
  }

  /// Each byte of a checkpoint is under a digest.
  @Test func everyChangedByteIsFound() throws {
    let directory = try save(state(step: 3), partBytes: 50_000)
    _ = try Checkpoint(opening: directory)
    let files = names(in: directory).map { "\(directory)/\($0)" }
    #expect(files.count > 3)
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<300 {
      let file = try #require(files.randomElement(using: &generator))
      let original = try Data(contentsOf: URL(filePath: file))
      var bytes = original
      let place = Int.random(in: 0..<bytes.count, using: &generator)
      bytes[place] ^= UInt8.random(in: 1...255, using: &generator)
      try bytes.write(to: URL(filePath: file))
      #expect(throws: CheckpointError.self, "byte \(place) of \(file)") { try Checkpoint(opening: directory) }
      try original.write(to: URL(filePath: file))
    }
  }

  @Test func whatIsNoCheckpointIsNone() throws {
    #expect(try newest().checkpoint == nil)
    try FileManager.default.createDirectory(
      atPath: "\(path)/.step-00000001.1f.tmp", withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: "\(path)/step-one", withIntermediateDirectories: true)
    #expect(try newest().checkpoint == nil)
    try CheckpointStore(directory: path).removeLeftovers()
    #expect(names(in: path) == ["step-one"])
  }

  @Test func aFolderThatCannotBeWrittenIsNamed() throws {
    try write("x", to: path)
    #expect(throws: FileError("create", "\(path)/.step-00000001.test.tmp", code: ENOTDIR)) { try save(1) }
    #expect(try text(path) == "x")
  }

  @Test func aCheckpointOfAnotherModelIsRefused() throws {
    let directory = try save(1)
    let wider = try configuration("model.dim=12").model.parameters
    let deeper = try configuration("model.dim_mults=[1, 2, 2]").model.parameters
    let checkpoint = try Checkpoint(opening: directory)
    for (layout, message) in [
      (wider, "/model/init_conv.weight: belongs to another model: it is [8, 1, 1, 1]"),
      (deeper, "/model: belongs to another model: it lacks "),
    ] {
      let error = #expect(throws: CheckpointError.self) { try checkpoint.weights(.trained, layout: layout) }
      #expect(error?.description.hasPrefix("\(directory)/model.h5, \(message)") == true, "\(error as Any)")
    }
  }
}
