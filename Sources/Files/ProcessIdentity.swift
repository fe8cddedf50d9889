import Foundation

/// Identifies this process among all others, on this machine and elsewhere.
enum ProcessIdentity {
  /// Identifies the machine since its last boot and the PID namespace: where it is equal, process IDs are comparable.
  static let machine: String = {
    let boot = text("/proc/sys/kernel/random/boot_id").trimmingCharacters(in: .whitespacesAndNewlines)
    let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? ""
    return SHA256.digest(of: "\(boot) \(space) \(ProcessInfo.processInfo.hostName)")
  }()

  /// When the process started, in system clock ticks; nil if there is no such process or it has ended.
  static func start(of process: Int32) -> UInt64? {
    // The name, in parentheses, may contain any character.
    guard let end = text("/proc/\(process)/stat").lastIndex(of: ")") else { return nil }
    let words = text("/proc/\(process)/stat")[end...].split(separator: " ")
    guard words.count > 20, words[1] != "Z", words[1] != "X" else { return nil }
    return UInt64(words[20])
  }

  /// Whether the process has been sent SIGKILL but still exists.
  static func isKilled(_ process: Int32) -> Bool {
    let kill = UInt64(1) << UInt64(SIGKILL - 1)
    return text("/proc/\(process)/status").split(separator: "\n").contains { line in
      guard line.hasPrefix("SigPnd:") || line.hasPrefix("ShdPnd:"),
        let signals = line.split(whereSeparator: \.isWhitespace).last
      else { return false }
      return (UInt64(signals, radix: 16) ?? 0) & kill != 0
    }
  }

  private static func text(_ path: String) -> String {
    (try? WholeFile.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
}
