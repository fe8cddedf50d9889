import Files
import Foundation

/// The limits that control groups impose on a process, for version 1 (one hierarchy per controller), version 2 (a
/// single hierarchy), or a mixture of both. The limits of all groups from the process's own up to the root apply, so
/// the lowest one counts.
package struct ResourceLimits: Equatable, Sendable {
  /// The CPU time available to the process, in cores; nil if unlimited.
  package var coreShare: Double?
  /// The memory in bytes that the process may still allocate; nil if unlimited.
  package var availableMemoryBytes: Int?

  /// - Parameter root: the root directory; differs from `/` only in tests.
  package init(root: String = "/") {
    let system = root.hasSuffix("/") ? String(root.dropLast()) : root
    let mounts = Self.text("\(system)/proc/self/mountinfo").split(separator: "\n").compactMap { Mount($0) }
    for line in Self.text("\(system)/proc/self/cgroup").split(separator: "\n") {
      // The hierarchy's number, its controllers, and the group's path.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { continue }
      let controllers = Set(parts[1].split(separator: ",").map(String.init))
      let isUnified = parts[0] == "0" && controllers.isEmpty
      let mount = mounts.first {
        isUnified ? $0.type == "cgroup2" : $0.type == "cgroup" && !controllers.isDisjoint(with: $0.options)
      }
      guard let mount else { continue }
      for folder in mount.folders(of: parts[2]) {
        if isUnified {
          addUnified("\(system)\(folder)")
        } else {
          if controllers.contains("cpu") { addProcessor("\(system)\(folder)") }
          if controllers.contains("memory") { addMemory("\(system)\(folder)") }
        }
      }
    }
  }

  // MARK: Version 2

  private mutating func addUnified(_ folder: String) {
    let words = Self.text("\(folder)/cpu.max").split(whereSeparator: \.isWhitespace).map(String.init)
    if words.count == 2 { restrict(quota: Double(words[0]), period: Double(words[1])) }
    restrict(
      limit: Self.number("\(folder)/memory.max"), used: Self.number("\(folder)/memory.current"),
      reclaimable: Self.value("inactive_file", in: "\(folder)/memory.stat"))
  }

  // MARK: Version 1

  private mutating func addProcessor(_ folder: String) {
    restrict(
      quota: Self.number("\(folder)/cpu.cfs_quota_us").map(Double.init),
      period: Self.number("\(folder)/cpu.cfs_period_us").map(Double.init))
  }

  private mutating func addMemory(_ folder: String) {
    restrict(
      limit: Self.number("\(folder)/memory.limit_in_bytes"),
      used: Self.number("\(folder)/memory.usage_in_bytes"),
      reclaimable: Self.value("total_inactive_file", in: "\(folder)/memory.stat"))
  }

  // MARK: Both

  /// - Parameter quota: CPU time per `period`; nil or negative if unlimited.
  private mutating func restrict(quota: Double?, period: Double?) {
    guard let quota, let period, quota > 0, period > 0 else { return }
    coreShare = min(coreShare ?? .infinity, quota / period)
  }

  /// - Parameter reclaimable: the part of `used` that the system can reclaim on demand: cached files not accessed
  ///   recently.
  private mutating func restrict(limit: Int?, used: Int?, reclaimable: Int?) {
    // Version 1 represents "no limit" as the largest multiple of the page size.
    guard let limit, limit < Int.max - (1 << 20), let used else { return }
    let free = max(0, limit - max(0, used - (reclaimable ?? 0)))
    availableMemoryBytes = min(availableMemoryBytes ?? .max, free)
  }

  private static func text(_ path: String) -> String {
    (try? WholeFile.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  private static func number(_ path: String) -> Int? {
    let word = text(path).trimmingCharacters(in: .whitespacesAndNewlines)
    // Values beyond 2^63 also mean no limit.
    return Int(word) ?? (UInt64(word) != nil ? .max : nil)
  }

  /// The number after `name` in a file with lines "name number".
  private static func value(_ name: String, in path: String) -> Int? {
    for line in text(path).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == name { return Int(words[1]) }
    }
    return nil
  }

  /// The mount point of a hierarchy.
  private struct Mount {
    let type: String
    /// The file system's options, which include version 1's controllers.
    let options: Set<String>
    /// The group that is mounted, and its mount point.
    let root: String
    let place: String

    /// Parses a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
    init?(_ line: Substring) {
      let halves = line.components(separatedBy: " - ")
      guard halves.count == 2 else { return nil }
      let (before, after) = (halves[0].split(separator: " "), halves[1].split(separator: " "))
      guard before.count >= 6, after.count >= 3, after[0].hasPrefix("cgroup") else { return nil }
      (root, place) = (String(before[3]), String(before[4]))
      type = String(after[0])
      options = Set(after[2].split(separator: ",").map(String.init))
    }

    /// The folders of `group` and of all groups above it that are visible. In a container, the path of its own group
    /// may differ from the mounted one, in which case the mounted one is used.
    func folders(of group: String) -> [String] {
      var below = group
      if root != "/" {
        guard group == root || group.hasPrefix("\(root)/") else { return [place] }
        below = String(group.dropFirst(root.count))
      }
      // The path of a group outside the process's cgroup namespace starts with /.. .
      let names = below.split(separator: "/").map(String.init)
      guard !names.contains("..") else { return [place] }
      return (0...names.count).map { count in ([place] + names.prefix(count)).joined(separator: "/") }
    }
  }
}
