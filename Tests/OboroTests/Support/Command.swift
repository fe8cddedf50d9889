import Foundation
import TestSupport
import Testing

/// Runs `oboro` as users do: a process of its own, or under mpirun.
///
/// - Parameter ranks: nil for a process without a launcher.
func oboro(
  _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:], directory: String? = nil,
  timeout: TimeInterval = 120, whileRunning: (RunningProcess) throws -> Void = { _ in }
) throws -> ProcessRun {
  let executable = try Products.executable("oboro")
  // One thread: the tests share the cores. What threads change is tested where it is the question.
  let environment = ["OBORO_THREADS": "1"].merging(environment) { $1 }
  let folder = directory.map { URL(filePath: $0) }
  if let ranks {
    return try MPIJob.run(
      ranks: ranks, executable, arguments, environment: environment, directory: folder, timeout: timeout,
      whileRunning: whileRunning)
  }
  let process = try RunningProcess(executable, arguments, environment: environment, directory: folder)
  try whileRunning(process)
  return try process.wait(timeout: timeout)
}

/// Expects that a command failed with `status` and said why in exactly one message, which has all of `fragments`; on
/// several ranks too.
func expectFailure(
  _ run: ProcessRun, _ status: Int32, _ fragments: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(run.exitStatus == status && !run.timedOut, "\(run)", sourceLocation: sourceLocation)
  let messages = run.errorLines.filter { $0.hasPrefix("oboro: ") }
  #expect(messages.count == 1, "\(run)", sourceLocation: sourceLocation)
  for fragment in fragments {
    #expect(run.errors.contains(fragment), "no \"\(fragment)\"\n\(run)", sourceLocation: sourceLocation)
  }
  // A trap's account, or an error that nobody put into words.
  for unwanted in ["Fatal error", "Error Domain", "NSError", "CocoaError", "Optional(", "rank 0 of 1 "] {
    #expect(!run.errors.contains(unwanted), "\(run)", sourceLocation: sourceLocation)
  }
  #expect(run.output == "", "\(run)", sourceLocation: sourceLocation)
}

func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

func content(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

func text(_ path: String) -> String {
  (try? content(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
}

/// The names in a directory, hidden ones too, sorted; none if it is not there.
func names(in directory: String) -> [String] {
  ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
}

func copy(_ source: String, to target: String) throws {
  try FileManager.default.copyItem(atPath: source, toPath: target)
}
