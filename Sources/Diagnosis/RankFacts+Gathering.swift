import FailureDetection
import Files
import Foundation
import HDF5
import Kernels
import MPI

extension RankFacts {
  /// Gathers the facts about this process that do not involve other ranks.
  ///
  /// - Parameters:
  ///   - blasThreads: the number of threads that OpenBLAS intended to use before a `ThreadPool` was created.
  ///   - environment: the environment before MPI changed it.
  package static func own(
    rank: Int, host: String, launcher: String, threads: Int, blasThreads: Int, environment: [String: String]
  ) -> RankFacts {
    var facts = RankFacts()
    facts.rank = rank
    facts.host = host
    facts.program = (try? SHA256.digest(ofFile: "/proc/self/exe")) ?? "unreadable"
    facts.mpi = firstWords(Session.libraryVersion)
    facts.launcher = launcher
    facts.hdf5 = LibraryVersion.text
    facts.hdf5Locking = environment["HDF5_USE_FILE_LOCKING"]
    facts.blasKernels = Processor.blasKernels
    facts.hasLesserBLASKernels = Processor.hasLesserBLASKernels
    facts.blasThreads = blasThreads
    facts.blasVariables = ["OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"].compactMap { name in
      environment[name].flatMap { Int($0) }.flatMap { $0 > 1 ? "\(name)=\($0)" : nil }
    }
    facts.threads = threads

    facts.processor = value("model name", in: text("/proc/cpuinfo")) ?? "unknown"
    facts.boundCores =
      value("Cpus_allowed_list", in: text("/proc/self/status")).map(numbers) ?? []
    facts.hostCores = ProcessInfo.processInfo.processorCount
    let limits = ResourceLimits()
    facts.coreShare = limits.coreShare
    let memory = text("/proc/meminfo")
    facts.memoryBytes = kibibytes("MemTotal", memory)
    facts.availableMemoryBytes = kibibytes("MemAvailable", memory)
    if let limit = limits.availableMemoryBytes {
      facts.availableMemoryBytes = min(facts.availableMemoryBytes, limit)
    }
    var status = statvfs()
    if statvfs("/dev/shm", &status) == 0 {
      facts.sharedMemoryBytes = Int(status.f_blocks) * Int(status.f_frsize)
      facts.freeSharedMemoryBytes = Int(status.f_bavail) * Int(status.f_frsize)
    }
    let memoryToShow = SharedMemory(byteCount: SharedMemory.leastLargeByteCount)
    facts.showsMemory = memoryToShow.flatMap { SharedMemory.View($0.address) } != nil
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    facts.openFiles = Int(clamping: limit.rlim_cur)
    facts.interfaces = NetworkAddress.own.map { "\($0.interface) \($0.text)/\($0.prefixLength)" }
    return facts
  }

  /// The first words of a longer version string, such as `Open MPI v4.1.4`.
  private static func firstWords(_ text: String) -> String {
    String(text.prefix { $0 != "," && $0 != "\n" })
  }

  /// The contents of a system file; empty if there is none.
  private static func text(_ path: String) -> String {
    (try? WholeFile.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The text after `name` and a colon.
  private static func value(_ name: String, in text: String) -> String? {
    text.split(separator: "\n").first { $0.hasPrefix(name) }.flatMap { line in
      line.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  private static func kibibytes(_ name: String, _ text: String) -> Int {
    value(name, in: text).flatMap { Int($0.prefix { $0.isNumber }) }.map { $0 << 10 } ?? 0
  }

  /// Parses `0-2,8` as numbers.
  package static func numbers(_ list: String) -> [Int] {
    list.split(separator: ",").flatMap { range -> [Int] in
      let ends = range.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last else { return [] }
      return Array(first...last)
    }
  }
}
