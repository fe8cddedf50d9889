import Foundation
import TestSupport
import Testing

/// `oboro doctor`, with faults planted.
@Suite struct DoctorTests {
  private struct Report: Decodable {
    struct Finding: Decodable {
      let level: String
      let subject: String
      let text: String
      let remedy: String?
      let ranks: [Int]
    }
    let ok: Bool
    let ranks: Int
    let findings: [Finding]
  }

  private func report(_ run: ProcessRun) throws -> Report {
    let decoder = JSONDecoder()
    return try decoder.decode(Report.self, from: Data(run.output.utf8))
  }

  /// Expects that the report of `run` has a problem with `subject` that says `text`, of `ranks`.
  private func expectProblem(
    _ run: ProcessRun, _ subject: String, ranks: [Int], _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(run.exitStatus == 1 && !run.timedOut, "\(run)", sourceLocation: sourceLocation)
    let report = try report(run)
    #expect(!report.ok, sourceLocation: sourceLocation)
    let finding = try #require(
      report.findings.first { $0.subject == subject && $0.level == "problem" }, "\(run)",
      sourceLocation: sourceLocation)
    #expect(
      finding.ranks == ranks && finding.text.contains(text), "\(finding)", sourceLocation: sourceLocation)
    #expect(finding.remedy != nil, sourceLocation: sourceLocation)
  }

  /// Runs the doctor on two ranks, rank 1 by `other`, a line of the shell's.
  private func examine(rankOne other: String, _ arguments: [String], directory: String) throws -> ProcessRun {
    let command = ([try Products.executable("oboro").path, "doctor", "--json"] + arguments).map { "'\($0)'" }
      .joined(separator: " ")
    let script =
      "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then \(other.replacing("COMMAND", with: command)); fi; exec \(command)"
    return try MPIJob.run(
      ranks: 2, URL(filePath: "/usr/bin/env"), ["bash", "-c", script], environment: ["OBORO_THREADS": "1"],
      directory: URL(filePath: directory), timeout: 60)
  }

  @Test func aloneItLooksAtThisMachine() throws {
    let run = try oboro(["doctor", "--json"])
    let subjects = try report(run).findings.map(\.subject)
    for subject in [
      "program", "MPI", "processor", "cores", "arithmetic", "memory", "shared memory", "network", "HDF5",
    ] {
      #expect(subjects.contains(subject), "\(run)")
    }
    let text = try oboro(["doctor"])
    #expect(text.output.contains("GFLOP/s") && text.errors == "", "\(text)")
  }

  @Test func onTwoRanksItTriesMore() throws {
    let trial = try Trial()
    let run = try oboro(
      [
        "doctor", "--json", "--config", trial.configuration, "--set", "dataset.path=\(Trial.path())",
        "--output", trial.run,
      ],
      ranks: 2)
    let report = try report(run)
    #expect(report.ranks == 2)
    for subject in ["configuration", "dataset", "run directory", "disk", "sum over the ranks"] {
      #expect(report.findings.contains { $0.subject == subject && $0.level == "fine" }, "\(run)")
    }
    // It leaves nothing.
    #expect(names(in: trial.path) == ["config.yaml"])
  }

  @Test func openBLASToldToUseManyThreads() throws {
    let run = try oboro(["doctor", "--json"], environment: ["OPENBLAS_NUM_THREADS": "16"])
    try expectProblem(run, "OpenBLAS", ranks: [0], "OPENBLAS_NUM_THREADS=16")
  }

  @Test func moreThreadsThanCores() throws {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let run = try oboro(["doctor", "--json", "--threads", "\(cores)"], ranks: 2)
    try expectProblem(
      run, "cores", ranks: [0, 1], "\(2 * cores) threads of 2 ranks on \(min(cores, 2)) cores")
  }

  @Test func twoPrograms() throws {
    let folder = try TemporaryDirectory()
    let other = "\(folder.path)/oboro"
    try copy(Products.executable("oboro").path, to: other)
    let file = try FileHandle(forWritingTo: URL(filePath: other))
    try file.seekToEnd()
    try file.write(contentsOf: Data("another build".utf8))
    try file.close()
    let run = try examine(rankOne: "exec '\(other)' doctor --json", [], directory: folder.path)
    try expectProblem(run, "program", ranks: [1], "rank 1 on ")
  }

  @Test func aDatasetThatOneRankLacks() throws {
    let trial = try Trial()
    try copy(Trial.path(), to: "\(trial.path)/data")
    try FileManager.default.createDirectory(
      atPath: "\(trial.path)/elsewhere", withIntermediateDirectories: true)
    let run = try examine(
      rankOne: "cd elsewhere; exec COMMAND", ["--config", trial.configuration, "--set", "dataset.path=data"],
      directory: trial.path)
    try expectProblem(run, "dataset", ranks: [1], "data: does not exist")
  }

  @Test func aPlaceThatCannotBeWrittenTo() throws {
    let run = try oboro(["doctor", "--json", "--output", "/proc/run"])
    try expectProblem(run, "run directory", ranks: [0], "/proc")
  }

  /// In a namespace of its own, `/dev/shm` can be as small as we like.
  @Test(.enabled(if: getuid() == 0)) func noRoomInSharedMemory() throws {
    let program = try Products.executable("oboro").path
    let run = try ProcessRun.run(
      URL(filePath: "/usr/bin/env"),
      [
        "unshare", "-m", "sh", "-c",
        "mount -t tmpfs -o size=1m tmpfs /dev/shm && exec '\(program)' doctor --json",
      ])
    try expectProblem(run, "shared memory", ranks: [0], "1 MiB free in /dev/shm")
  }

  /// An older processor, where there is an emulator for one.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-x86_64")))
  func aBuildForANewerProcessor() throws {
    let run = try ProcessRun.run(
      URL(filePath: "/usr/bin/qemu-x86_64"), ["-cpu", "Haswell", Products.executable("oboro").path, "doctor"])
    #expect(run.exitStatus == 1, "\(run)")
    #expect(run.errors.contains("this program was built for a processor with AVX-512"), "\(run)")
    #expect(run.errors.contains("OBORO_MARCH="), "\(run)")
  }
}
