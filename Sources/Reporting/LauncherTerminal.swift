import Foundation

/// The terminal at the other end of the pipe that `mpirun` gives its ranks as standard error.
///
/// mpirun copies what it reads from the pipe unchanged to its own standard error, so a rank that mpirun started on its
/// own host can draw on the terminal there; the parent of ranks on other hosts is a daemon.
package enum LauncherTerminal {
  /// The process names of `mpirun`: Open MPI 4 has several names for one program, and Open MPI 5 executes PRRTE.
  private static let launchers: Set = ["mpirun", "mpiexec", "orterun", "prterun"]

  /// Options of mpirun that prefix each line, or redirect the output.
  private static let alteringOptions: Set = [
    "tag-output", "timestamp-output", "xml", "output-filename", "merge-stderr-to-stdout",
  ]

  /// Finds the terminal; returns nil if there is none, or if the output of this process does not reach it unchanged.
  ///
  /// - Parameters:
  ///   - parent: the parent process.
  ///   - proc: the path of the proc file system.
  package static func find(parent: Int32 = getppid(), proc: String = "/proc") -> TerminalDevice? {
    let process = "\(proc)/\(parent)"
    guard launchers.contains(text(of: "\(process)/comm").trimmingCharacters(in: .newlines)),
      let pipe = target(of: "\(proc)/self/fd/\(STDERR_FILENO)"), pipe.hasPrefix("pipe:"),
      descriptors(of: process).contains(where: { target(of: $0) == pipe }),
      !arguments(of: process).contains(where: isAltering)
    else { return nil }
    return TerminalDevice(link: "\(process)/fd/\(STDERR_FILENO)")
  }

  private static func isAltering(_ argument: String) -> Bool {
    argument.hasPrefix("-") && alteringOptions.contains(String(argument.drop { $0 == "-" }))
  }

  private static func arguments(of process: String) -> [String] {
    text(of: "\(process)/cmdline").split(separator: "\0").map(String.init)
  }

  private static func descriptors(of process: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(process)/fd")) ?? []
    return names.map { "\(process)/fd/\($0)" }
  }

  private static func target(of link: String) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: link)
  }

  private static func text(of file: String) -> String {
    (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
  }
}
