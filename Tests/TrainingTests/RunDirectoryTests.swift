import Checkpoints
import Configuration
import Files
import Foundation
import Settings
import TestSupport
import Testing
import Training
import TrainingTestSupport

@Suite struct RunDirectoryTests {
  private let folder: TemporaryDirectory
  private var directory: RunDirectory { RunDirectory("\(folder.path)/runs/first") }

  init() throws { folder = try TemporaryDirectory() }

  @Test func aNewOneIsMadeWithItsConfiguration() throws {
    let configuration = try configuration()
    #expect(try directory.prepare(configuration, allowsChanges: false).differences == [])
    #expect(
      names(in: directory.path).filter { !$0.hasPrefix(".") } == ["checkpoints", "config.yaml", "samples"])
    let written = try TrainingConfiguration(file: directory.configuration)
    #expect(written.resolved == configuration.resolved)
    #expect(try text(directory.configuration).contains("# images a step, over all ranks together"))
  }

  @Test func theSameConfigurationGoesOn() throws {
    _ = try directory.prepare(configuration(), allowsChanges: false)
    let before = try text(directory.configuration)
    // Spelling is no difference.
    #expect(
      try directory.prepare(configuration("training.steps=2.8e3"), allowsChanges: false).differences == [])
    #expect(try text(directory.configuration) == before)
  }

  @Test func anotherOneIsRefusedUnlessAllowed() throws {
    _ = try directory.prepare(configuration(), allowsChanges: false)
    let before = try text(directory.configuration)
    let changed = try configuration("training.steps=5", "model.dim=12")
    let expected = SettingsNode.differences(try configuration().resolved, changed.resolved)
    #expect(expected.map(\.description) == ["model.dim: 8, now 12", "training.steps: 2800, now 5"])
    // More steps or fewer need no permission.
    #expect(throws: RunDirectoryError.otherConfiguration(directory.path, [expected[0]])) {
      try directory.prepare(changed, allowsChanges: false)
    }
    #expect(try directory.prepare(changed, allowsChanges: true).differences == expected)
    // It stays until the run is seen to go on with the change.
    #expect(try text(directory.configuration) == before)
    try directory.replaceConfiguration(changed)
    #expect(try directory.prepare(changed, allowsChanges: false).differences == [])
  }

  @Test func aFolderWithSomethingElseIsRefused() throws {
    try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    // A file system's own are nothing that a user put there.
    try write("", to: "\(directory.path)/.snapshot")
    for name in ["b", "a"] { try write("", to: "\(directory.path)/\(name)") }
    #expect(throws: RunDirectoryError.notARun(directory.path, holding: "a")) {
      try directory.prepare(configuration(), allowsChanges: true)
    }
    #expect(names(in: directory.path) == [".snapshot", "a", "b"])
    for name in ["b", "a"] { unlink("\(directory.path)/\(name)") }
    _ = try directory.prepare(configuration(), allowsChanges: false)
  }

  @Test func aPathThroughAFileIsAnErrorOfTheSystem() throws {
    try write("", to: "\(folder.path)/runs")
    #expect(throws: FileError("create the directory", directory.path, code: ENOTDIR)) {
      try directory.prepare(configuration(), allowsChanges: false)
    }
    #expect(throws: FileError("list", "\(folder.path)/runs", code: ENOTDIR)) {
      try RunDirectory("\(folder.path)/runs").prepare(configuration(), allowsChanges: false)
    }
  }

  @Test func oneRunAtATime() throws {
    let configuration = try configuration()
    var first: FolderOwnership? = try directory.prepare(configuration, allowsChanges: false).ownership
    #expect(first != nil)
    let error = #expect(throws: RunDirectoryError.self) {
      try directory.prepare(configuration, allowsChanges: false)
    }
    guard case .inUse(directory.path, let owner?) = error else {
      Issue.record("\(String(describing: error)) names no owner of \(directory.path)")
      return
    }
    #expect(owner.process == getpid())
    first = nil
    _ = try directory.prepare(configuration, allowsChanges: false)
  }

  /// A process that was just killed has the folder until the system has cleared it away.
  @Test func anOwnerThatIsEndingIsWaitedFor() throws {
    final class Holder: @unchecked Sendable {
      // @unchecked: the thread alone uses it once it runs.
      var ownership: FolderOwnership?
    }
    let configuration = try configuration()
    let holder = Holder()
    holder.ownership = try directory.prepare(configuration, allowsChanges: false).ownership
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: 0.5)
      holder.ownership = nil
    }
    #expect(throws: Never.self) { try directory.prepare(configuration, allowsChanges: false) }
  }

  /// The system keeps a killed owner's lock until its last thread is gone.
  @Test func aKilledOwnersLockIsWaitedFor() throws {
    try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    var timing = FolderOwnership.Timing()
    timing.clearing = 0.01
    let path = "\(directory.path)/\(FolderOwnership.fileName)"
    var living: FolderOwnership? = try FolderOwnership(directory.path)
    #expect(living != nil)
    let owner = try String(contentsOfFile: path, encoding: .utf8)
    #expect(throws: FolderOwnership.Taken.self) {
      _ = try FolderOwnership(directory.path, timing: timing, lock: { _ in EAGAIN })
    }
    living = nil
    // The number of this process, but begun at another time: one that has ended.
    let ended = try owner.replacing(/"start":\d+/, with: "\"start\":1")
    try ended.write(toFile: path, atomically: false, encoding: .utf8)
    var refusals = 0
    let late = try FolderOwnership(directory.path, timing: timing) { _ in
      refusals += 1
      return refusals < 20 ? EAGAIN : 0
    }
    #expect(late.hasLocks && refusals == 20)
  }

  @Test func samplesSortByTheirStep() {
    #expect(RunDirectory("r").samples(step: 1000) == "r/samples/step-00001000.png")
  }
}
