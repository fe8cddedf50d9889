import Foundation
import TestSupport
import Testing

/// The scripts that start runs; what needs several machines is shown by launch/verify-operations.
@Suite struct LaunchTests {
  private func launch(
    _ script: String, _ arguments: [String], environment: [String: String] = [:],
    whileRunning: (RunningProcess) throws -> Void = { _ in }
  ) throws -> ProcessRun {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let process = try RunningProcess(
      folder.appending(path: "launch/\(script)"), arguments,
      environment: ["OBORO": Products.executable("oboro").path].merging(environment) { $1 })
    try whileRunning(process)
    return try process.wait(timeout: 120)
  }

  @Test func theLineIsChosenFromTheCoresThatAreThere() throws {
    let trial = try Trial()
    let run = try launch("run", ["--dry-run", "--config", trial.configuration, "--output", trial.run])
    #expect(run.exitStatus == 0, "\(run)")
    #expect(
      run.errors.contains("mpirun -n 1 --host localhost:") && run.errors.contains("--bind-to core"), "\(run)")
    #expect(
      run.errors.contains("oboro train --config \(trial.configuration) --output \(trial.run)"), "\(run)")
    #expect(!exists(trial.run))
  }

  @Test(arguments: [
    (["--ranks", "3"], "no number of ranks fits"), (["--hosts", "a;b"], "is no host"),
    (["--restarts", "many"], "--restarts must be a number"),
    (["--hostfile", "/nowhere"], "cannot read /nowhere"),
  ])
  func mistakesAreNamed(arguments: [String], message: String) throws {
    let trial = try Trial()
    let run = try launch("run", arguments + ["--config", trial.configuration, "--output", trial.run])
    #expect(run.exitStatus == 1 && run.errors.contains(message), "\(run)")
  }

  /// The number of micro-batches is read from the configuration, where nothing else says it.
  @Test func theRanksMustDivideTheMicrobatchesOfTheConfiguration() throws {
    let trial = try Trial()
    let text = try String(contentsOfFile: trial.configuration, encoding: .utf8)
    let changed = text.replacingOccurrences(of: "microbatches: 4", with: "microbatches: 6")
    try Data(changed.utf8).write(to: URL(filePath: trial.configuration))
    let arguments = [
      "--dry-run", "--config", trial.configuration, "--output", trial.run, "--threads", "1", "--ranks",
    ]
    let run = try launch("run", arguments + ["4"])
    #expect(
      run.exitStatus == 1 && run.errors.contains("it must divide training.microbatches (6)"), "\(run)")
    let fitting = try launch("run", arguments + ["1"])
    #expect(fitting.exitStatus == 0 && fitting.errors.contains("mpirun -n 1 "), "\(fitting)")
  }

  @Test func controlCSavesAndTheSameLineGoesOn() throws {
    let trial = try Trial()
    let arguments =
      ["--ranks", "2", "--threads", "1", "--oversubscribe"]
      + (try trial.arguments(Reference.longSettings)).dropFirst()
    let stopped = try launch("run", arguments) { process in
      try #require(process.wait { trial.loggedSteps >= 20 }, "\(process.errorsSoFar)")
      process.send(SIGINT)
    }
    #expect(stopped.exitStatus == 75, "\(stopped)")
    let rest = try launch("run", arguments)
    #expect(rest.exitStatus == 0, "\(rest)")
    try trial.record.expectSame(as: Reference.long.get().record)
  }

  /// The first attempt's fault is not there in the second, since the run is past that step.
  @Test func aFailedRunIsStartedAgain() throws {
    let trial = try Trial()
    let settings = ["training.heartbeat_timeout_seconds=2"] + Reference.longSettings
    let arguments =
      ["--ranks", "2", "--threads", "1", "--oversubscribe", "--restarts", "1"]
      + (try trial.arguments(settings)).dropFirst()
    let run = try launch("run", arguments) { process in
      try #require(process.wait { trial.loggedSteps >= 20 }, "\(process.errorsSoFar)")
      let ranks = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter
      {
        text("/proc/\($0)/comm") == "oboro\n"
          && (FileManager.default.contents(atPath: "/proc/\($0)/cmdline") ?? Data()).range(
            of: Data(trial.run.utf8)) != nil
      }
      try #require(ranks.count == 2)
      kill(ranks[1], SIGKILL)
    }
    #expect(run.exitStatus == 0 && run.errors.contains("restart 1 of 1"), "\(run)")
    let reference = try Reference.long.get().record
    #expect(try trial.record.metrics == reference.metrics)
  }

  /// PBS is not here: its commands are played, to see what the script asks of them.
  @Test func thePBSScriptSubmitsItselfAnewWhenTimeIsUp() throws {
    let trial = try Trial()
    let tools = "\(trial.path)/tools"
    try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
    for (name, body) in [
      ("qstat", "echo '    Resource_List.walltime = 00:00:05'; echo '    Resource_List.select = 2:ncpus=1'"),
      ("qsub", "printf '%s\\n' \"$@\" >'\(trial.path)/submitted'"),
      // As mpirun: it runs until it is told, and then has saved.
      (
        "mpirun",
        "trap 'exit 75' USR1; printf '%s ' \"$@\" >'\(trial.path)/started'; while :; do sleep 0.1; done"
      ),
    ] {
      let path = "\(tools)/\(name)"
      try "#!/bin/bash\n\(body)\n".write(toFile: path, atomically: true, encoding: .utf8)
      chmod(path, 0o755)
    }
    try "n1\nn2\n".write(toFile: "\(trial.path)/nodes", atomically: true, encoding: .utf8)
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let run = try launch(
      "pbs/train.pbs", [],
      environment: [
        "PATH": "\(tools):\(path)", "PBS_O_WORKDIR": trial.path, "PBS_JOBID": "7.server", "NCPUS": "1",
        "PBS_NODEFILE": "\(trial.path)/nodes", "MARGIN": "3", "ARGUMENTS": "--config c.yaml --output runs/a",
      ])
    #expect(run.exitStatus == 75, "\(run)")
    #expect(text("\(trial.path)/started").contains("-n 2 "))
    #expect(text("\(trial.path)/started").contains("oboro train --config c.yaml --output runs/a"))
    let submitted = text("\(trial.path)/submitted")
    #expect(
      submitted.contains("depend=afterany:7.server") && submitted.contains("select=2:ncpus=1"), "\(submitted)"
    )
    #expect(submitted.contains("ARGUMENTS=--config c.yaml --output runs/a"), "\(submitted)")
  }
}
