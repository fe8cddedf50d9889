import Foundation
import TestSupport
import Testing

/// Run directories that cannot be used, and disks that are full.
@Suite struct OutputErrorTests {
  @Test func placesThatCannotBeWrittenAreNamed() throws {
    let trial = try Trial()
    expectFailure(
      try trial.train(ranks: 2, output: "\(trial.configuration)/run"), 74,
      "cannot create the directory \(trial.configuration)/run: Not a directory")
    expectFailure(try trial.train(output: trial.configuration), 74, "\(trial.configuration): Not a directory")
    expectFailure(try trial.train(output: "/proc/run"), 74, "cannot create the directory /proc/run")
    #expect(names(in: trial.path) == ["config.yaml"])
  }

  @Test func aFolderWithSomethingElseIsLeftAlone() throws {
    let trial = try Trial()
    try FileManager.default.createDirectory(atPath: trial.run, withIntermediateDirectories: true)
    try Data("x".utf8).write(to: URL(filePath: "\(trial.run)/thesis.tex"))
    expectFailure(
      try trial.train(ranks: 2), 64, "\(trial.run) holds something else than a run (thesis.tex)", "--output")
    #expect(names(in: trial.run) == ["thesis.tex"])
  }

  @Test func aDamagedConfigurationOfTheRunIsNamed() throws {
    let trial = try Reference.copyOfShort()
    truncate("\(trial.run)/config.yaml", 30)
    try #require(!text("\(trial.run)/config.yaml").isEmpty)
    let run = try trial.train()
    #expect(run.exitStatus == 64 && run.errors.contains("\(trial.run)"), "\(run)")
  }

  @Test func damagedMetricsAreNamedWithTheirLine() throws {
    let trial = try Reference.copyOfShort()
    let metrics = "\(trial.run)/metrics.jsonl"
    try text(metrics).replacing("\"step\": 3", with: "\"step\": three")
      .write(toFile: metrics, atomically: true, encoding: .utf8)
    expectFailure(try trial.train(ranks: 2), 65, "\(metrics):3: is no line of metrics")
  }

  /// The second checkpoint does not fit: the first one is kept, and leads on when there is room again.
  ///
  /// On a disk of its own where this process may mount one, and with a limit to the size of files.
  @Test(arguments: [true, false]) func aFullDiskIsNamedAndCostsNothing(isDisk: Bool) throws {
    let trial = try Trial()
    // A checkpoint of some 10 MB: below what mpirun's own files need, no limit can be tested.
    let settings = isDisk ? [] : ["model.dim=40"]
    let begin = try oboro(trial.arguments(settings + ["training.steps=2", "sampling.every=0"]))
    #expect(begin.exitStatus == 0, "\(begin)")
    let before = try trial.record
    let arguments = try trial.arguments(
      settings + ["training.steps=4", "sampling.every=0"], options: ["--allow-changes"])
    let command = ([try Products.executable("oboro").path] + arguments).map { "'\($0)'" }.joined(
      separator: " ")

    let script: String
    if isDisk && canMount {
      // What is in the run directory, and room for half of a checkpoint. Copied back before the mount is gone.
      script = """
        mkdir disk && mount -t tmpfs -o size=2200k tmpfs disk && cp -r run/. disk && mount --bind disk run || exit 99
        \(command); status=$?
        cp -r disk result && exit $status
        """
    } else {
      script = "(ulimit -f 5000; \(command)); status=$?; cp -r run result; exit $status"
    }
    let shell =
      isDisk && canMount ? ["unshare", "--map-root-user", "--mount", "bash", "-c"] : ["bash", "-c"]
    let process = try RunningProcess(
      URL(filePath: "/usr/bin/env"), shell + [script], environment: ["OBORO_THREADS": "1"],
      directory: URL(filePath: trial.path))
    let run = try process.wait()
    expectFailure(
      run, 74, "cannot save the checkpoint \(trial.checkpoint(4)): ",
      isDisk && canMount ? "No space left on device" : "File too large", "the same command goes on")
    #expect(names(in: "\(trial.path)/result/checkpoints") == ["latest", "step-00000002"], "\(run)")
    #expect(
      try RunRecord("\(trial.path)/result").files.filter { $0.key.hasPrefix("checkpoints") }
        == before.files.filter { $0.key.hasPrefix("checkpoints") })

    try FileManager.default.removeItem(atPath: trial.run)
    try FileManager.default.moveItem(atPath: "\(trial.path)/result", toPath: trial.run)
    let rest = try oboro(arguments)
    #expect(rest.exitStatus == 0, "\(rest)")
    #expect(rest.errors.contains("going on") && trial.loggedSteps == 4, "\(rest)")
  }

  /// Whether this process may have file systems of its own.
  private var canMount: Bool {
    let command = ["unshare", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return (try? ProcessRun.run(URL(filePath: "/usr/bin/env"), command).exitStatus) == 0
  }
}
