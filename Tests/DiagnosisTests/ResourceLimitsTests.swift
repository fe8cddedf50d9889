import Diagnosis
import Foundation
import TestSupport
import Testing

/// Limits of control groups, in root directories made for it.
@Suite struct ResourceLimitsTests {
  private func limits(_ files: [String: String]) throws -> ResourceLimits {
    let folder = try TemporaryDirectory()
    for (path, text) in files {
      let url = URL(filePath: "\(folder.path)/\(path)")
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try "\(text)\n".write(to: url, atomically: false, encoding: .utf8)
    }
    return ResourceLimits(root: folder.path)
  }

  private func mount(_ root: String, _ place: String, _ type: String, _ options: String) -> String {
    "31 23 0:28 \(root) \(place) rw,relatime shared:4 - \(type) \(type) rw,\(options)"
  }

  private func versionOne(root: String = "/") -> String {
    [
      "23 1 0:20 / / rw - overlay overlay rw",
      mount(root, "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct"),
      mount(root, "/sys/fs/cgroup/memory", "cgroup", "memory"),
    ].joined(separator: "\n")
  }

  private let unified = "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw"

  @Test func withoutControlGroupsThereIsNoLimit() throws {
    #expect(try limits([:]) == limits(["proc/self/cgroup": "0::/", "proc/self/mountinfo": ""]))
    #expect(try limits([:]).coreShare == nil)
    #expect(try limits([:]).availableMemoryBytes == nil)
  }

  /// A batch system's job: limits stand at the job, or at any group above it.
  @Test func versionTwoTakesTheLeastOnTheWayUp() throws {
    let found = try limits([
      "proc/self/cgroup": "0::/slurm/job_7/step_0", "proc/self/mountinfo": unified,
      "sys/fs/cgroup/slurm/cpu.max": "400000 100000",
      "sys/fs/cgroup/slurm/job_7/cpu.max": "150000 100000",
      "sys/fs/cgroup/slurm/job_7/step_0/cpu.max": "max 100000",
      "sys/fs/cgroup/slurm/memory.max": "max",
      "sys/fs/cgroup/slurm/memory.current": "9000000000",
      "sys/fs/cgroup/slurm/job_7/memory.max": "4000000000",
      "sys/fs/cgroup/slurm/job_7/memory.current": "3000000000",
      "sys/fs/cgroup/slurm/job_7/memory.stat": "anon 5\ninactive_file 500000000\nfile 3",
      "sys/fs/cgroup/slurm/job_7/step_0/memory.max": "8000000000",
      "sys/fs/cgroup/slurm/job_7/step_0/memory.current": "1000000000",
    ])
    #expect(found.coreShare == 1.5 && found.availableMemoryBytes == 1_500_000_000)
  }

  @Test func versionTwoInAContainer() throws {
    let found = try limits([
      "proc/self/cgroup": "0::/", "proc/self/mountinfo": unified,
      "sys/fs/cgroup/cpu.max": "50000 100000", "sys/fs/cgroup/memory.max": "1000",
      "sys/fs/cgroup/memory.current": "1500",
    ])
    #expect(found.coreShare == 0.5 && found.availableMemoryBytes == 0)
  }

  @Test func versionOneTakesTheLeastOnTheWayUp() throws {
    let found = try limits([
      "proc/self/cgroup": "4:memory:/jobs/7\n3:cpu,cpuacct:/jobs/7\n1:name=systemd:/x\n0::/",
      "proc/self/mountinfo": versionOne(),
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us": "250000",
      "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_quota_us": "-1",
      "sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "5",
      "sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": "2000000000",
      "sys/fs/cgroup/memory/jobs/7/memory.usage_in_bytes": "1500000000",
      "sys/fs/cgroup/memory/jobs/7/memory.stat": "total_inactive_file 100000000",
    ])
    #expect(found.coreShare == 2.5 && found.availableMemoryBytes == 600_000_000)
  }

  /// The container sees the host's path of its group, and the group itself mounted.
  @Test(arguments: ["/docker/abc", "/", "/elsewhere"]) func versionOneInAContainer(group: String) throws {
    let found = try limits([
      "proc/self/cgroup": "4:memory:\(group)\n3:cpu,cpuacct:\(group)",
      "proc/self/mountinfo": versionOne(root: "/docker/abc"),
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "400",
    ])
    #expect(found.coreShare == 2 && found.availableMemoryBytes == 600)
  }

  /// As systemd mounts them together: each controller in one of the two.
  @Test func bothVersionsAtOnce() throws {
    let found = try limits([
      "proc/self/cgroup": "4:memory:/a\n0::/b",
      "proc/self/mountinfo":
        "\(mount("/", "/sys/fs/cgroup/memory", "cgroup", "memory"))\n\(mount("/", "/sys/fs/cgroup/unified", "cgroup2", ""))",
      "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1000",
      "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "400",
      "sys/fs/cgroup/unified/b/cpu.max": "300000 100000",
    ])
    #expect(found.coreShare == 3 && found.availableMemoryBytes == 600)
  }

  @Test func whatIsNoLimitLimitsNothing() throws {
    let found = try limits([
      "proc/self/cgroup": "nonsense\n0::/../../x\n7:cpu", "proc/self/mountinfo": "\(unified)\nnonsense",
      "sys/fs/cgroup/cpu.max": "0 0", "sys/fs/cgroup/memory.max": "99999999999999999999",
      "sys/fs/cgroup/memory.current": "7",
    ])
    #expect(found.coreShare == nil && found.availableMemoryBytes == nil)
  }
}
