import Benchmarks
import Foundation

/// Derives the findings from the facts of all ranks, and from nothing else.
package struct DiagnosticChecks {
  private let facts: [RankFacts]
  private let hosts: [String]

  package init(_ facts: [RankFacts]) {
    precondition(!facts.isEmpty, "facts of no rank")
    self.facts = facts
    hosts = facts.map(\.host).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  package var findings: [Finding] {
    [
      program, mpi, processor, cores, speed, blas, memory, sharedMemory, network, clock, files, hdf5,
      configuration, dataset, output,
    ].flatMap { $0 }
  }

  // MARK: The program

  private var program: [Finding] {
    let others = differing { $0.program }
    guard !others.isEmpty else { return [Finding("program", "the same on all ranks")] }
    return [
      Finding(
        .problem, "program", "\(names(others)): another program than that of rank 0",
        remedy: "put the same build at the same path on all hosts, or use a shared folder",
        ranks: others.map(\.rank))
    ]
  }

  private var mpi: [Finding] {
    let others = differing { $0.mpi }
    guard others.isEmpty else {
      return [
        Finding(
          .problem, "MPI", "\(names(others)): \(others[0].mpi), rank 0 has \(facts[0].mpi)",
          remedy: "install the same version of Open MPI on all hosts", ranks: others.map(\.rank))
      ]
    }
    return [
      Finding(
        "MPI",
        "\(facts[0].mpi); ranks: \(facts.count), hosts: \(hosts.count), started by \(facts[0].launcher)")
    ]
  }

  private var hdf5: [Finding] {
    let others = differing { $0.hdf5 }
    guard others.isEmpty else {
      return [
        Finding(
          .advice, "HDF5", "\(names(others)): version \(others[0].hdf5), rank 0 has \(facts[0].hdf5)",
          remedy: "install the same version on all hosts", ranks: others.map(\.rank))
      ]
    }
    let locking = facts[0].hdf5Locking ?? "as the library chooses"
    return [Finding("HDF5", "version \(facts[0].hdf5), file locking: \(locking)")]
  }

  // MARK: Cores

  private var processor: [Finding] {
    let others = differing { $0.processor }
    guard others.isEmpty else {
      return [
        Finding(
          .advice, "processor", "\(names(others)): \(others[0].processor), rank 0 has \(facts[0].processor)",
          remedy: "results are the same bits on processors of one kind only; build for the oldest: "
            + "OBORO_MARCH=x86-64-v3 launch/build", ranks: others.map(\.rank))
      ]
    }
    return [Finding("processor", "\(facts[0].processor); this program was built for what it offers")]
  }

  private var cores: [Finding] {
    let findings = hosts.compactMap { host -> Finding? in
      let here = facts.filter { $0.host == host }
      let bound = Set(here.flatMap(\.boundCores))
      let threads = here.map(\.threads).reduce(0, +)
      let place = facts.count == 1 ? "" : "\(host): "
      let ranks = here.map(\.rank)
      if threads > bound.count && !bound.isEmpty {
        return Finding(
          .problem, "cores", "\(place)\(threads) threads of \(here.count) ranks on \(bound.count) cores",
          remedy:
            "fewer ranks a host, or --threads \(max(bound.count / here.count, 1)), or bind ranks to cores of their "
            + "own: launch/run does all of this", ranks: ranks)
      }
      if let share = here.compactMap(\.coreShare).min(), Double(threads) > (share + 0.5) {
        return Finding(
          .problem, "cores",
          "\(place)\(threads) threads, but the container may use the time of \(String(format: "%.1f", share)) cores only",
          remedy: "--threads \(max(Int(share) / here.count, 1)), or give the container more", ranks: ranks)
      }
      let overlap = here.contains { one in
        here.contains { $0.rank != one.rank && !Set($0.boundCores).isDisjoint(with: one.boundCores) }
      }
      if overlap {
        return Finding(
          .advice, "cores", "\(place)ranks are not bound to cores of their own",
          remedy: "bind them: mpirun --map-by slot:PE=\(here[0].threads) --bind-to core, or launch/run",
          ranks: ranks)
      }
      return nil
    }
    let fewest = facts.map(\.threads).min() ?? 1
    let most = facts.map(\.threads).max() ?? 1
    return findings
      + (findings.isEmpty
        ? [
          Finding(
            "cores",
            "threads of each rank: \(fewest == most ? "\(fewest)" : "\(fewest) to \(most)"), cores of their own"
          )
        ] : [])
      + (fewest < most
        ? [
          Finding(
            .advice, "cores", "ranks have \(fewest) to \(most) threads, and all wait for the slowest",
            remedy: "give all ranks the same number: launch/run does")
        ] : [])
  }

  /// The share of the median below which a rank is considered slow.
  private static let slowShare = 0.75

  private var speed: [Finding] {
    let known = facts.compactMap { fact in fact.gigaflopsPerSecond.map { (fact, $0 / Double(fact.threads)) } }
    guard !known.isEmpty else { return [] }
    let median = known.map(\.1).median
    let total = facts.compactMap(\.gigaflopsPerSecond).reduce(0, +)
    let slow = known.filter { $0.1 < Self.slowShare * median }.map(\.0)
    let text = String(format: "%.0f GFLOP/s in all, %.0f a thread", total, median)
    guard !slow.isEmpty else { return [Finding("arithmetic", text)] }
    return [
      Finding(
        .problem, "arithmetic", "\(text); \(names(slow)): less than \(Int(100 * Self.slowShare)) % of that",
        remedy: "see what else runs there, and how the processor is clocked and cooled",
        ranks: slow.map(\.rank))
    ]
  }

  private var blas: [Finding] {
    let many = facts.filter { !$0.blasVariables.isEmpty }
    guard many.isEmpty else {
      return [
        Finding(
          .problem, "OpenBLAS",
          "\(names(many)): told to use \(many[0].blasThreads) threads by \(many[0].blasVariables.joined(separator: ", "))",
          remedy:
            "unset it: Oboro uses OpenBLAS on one thread inside its own, but other threads of OpenBLAS are made "
            + "before it can say so, and take memory and time", ranks: many.map(\.rank))
      ]
    }
    let lesser = facts.filter(\.hasLesserBLASKernels)
    guard lesser.isEmpty else {
      return [
        Finding(
          .advice, "OpenBLAS",
          "\(names(lesser)): kernels for \(lesser[0].blasKernels), the processor has AVX-512",
          remedy: "unset OPENBLAS_CORETYPE: then they are chosen for the processor", ranks: lesser.map(\.rank)
        )
      ]
    }
    return [
      Finding("OpenBLAS", "kernels for \(Set(facts.map(\.blasKernels)).sorted().joined(separator: ", "))")
    ]
  }

  // MARK: Memory

  private static let gibibyte = Double(1 << 30)

  private var memory: [Finding] {
    let low = facts.filter { $0.availableMemoryBytes < 1 << 30 }
    let least = Double(facts.map(\.availableMemoryBytes).min() ?? 0) / Self.gibibyte
    let text = String(format: "at least %.1f GiB free on each host", least)
    guard !low.isEmpty else { return [Finding("memory", text)] }
    return [
      Finding(
        .advice, "memory", "\(names(low)): less than 1 GiB is free",
        remedy: "end what else runs there; more training.microbatches need less memory",
        ranks: low.map(\.rank))
    ]
  }

  /// What Open MPI maps for each rank, with some headroom.
  private static let sharedMemoryOfRank = 16 << 20

  private var sharedMemory: [Finding] {
    let short = facts.filter { fact in
      guard let free = fact.freeSharedMemoryBytes else { return true }
      return free < Self.sharedMemoryOfRank * max(facts.count { $0.host == fact.host }, 2)
    }
    guard !short.isEmpty else { return [sightOfMemory] }
    let free =
      short[0].freeSharedMemoryBytes.map { "\($0 >> 20) MiB free in /dev/shm" } ?? "there is no /dev/shm"
    return [
      Finding(
        .problem, "shared memory", "\(names(short)): \(free)",
        remedy:
          "ranks of a host talk through it: remove what is left there, or in a container docker run --shm-size=1g; "
          + "or do without: mpirun --mca btl tcp,self", ranks: short.map(\.rank))
    ]
  }

  /// The finding if there is enough space in shared memory: whether ranks on the same host can map each other's memory,
  /// or must copy gradients through it.
  private var sightOfMemory: Finding {
    let blind = facts.filter { fact in !fact.showsMemory && facts.count { $0.host == fact.host } > 1 }
    guard blind.isEmpty else {
      return Finding(
        .advice, "shared memory",
        "\(names(blind)): cannot show its memory to the others of its host, so that gradients are copied once more",
        remedy: "Linux 6.1 or later has large pages for shared memory", ranks: blind.map(\.rank))
    }
    let least = Double(facts.compactMap(\.freeSharedMemoryBytes).min() ?? 0) / Double(1 << 20)
    return Finding("shared memory", String(format: "at least %.0f MiB free in /dev/shm", least))
  }

  // MARK: Hosts

  private var network: [Finding] {
    var result: [Finding] = []
    let addresses = Dictionary(grouping: facts.flatMap { fact in fact.interfaces.map { (fact.host, $0) } }) {
      $0.1.split(separator: " ").last.map(String.init) ?? ""
    }
    let same = addresses.filter { Set($0.value.map(\.0)).count > 1 }.keys.sorted()
    if !same.isEmpty {
      let interface = addresses[same[0]]?.first?.1.split(separator: " ").first ?? ""
      result.append(
        Finding(
          .problem, "network", "several hosts have the same address: \(same.joined(separator: ", "))",
          remedy:
            "it leads nowhere (a bridge of containers?): mpirun --mca btl_tcp_if_exclude lo,\(interface) "
            + "--mca oob_tcp_if_exclude lo,\(interface)"))
    }
    if hosts.count > 1 {
      let alone = facts.filter(\.interfaces.isEmpty)
      if !alone.isEmpty {
        result.append(
          Finding(
            .problem, "network", "\(names(alone)): no network interface is up",
            remedy: "look at ip address", ranks: alone.map(\.rank)))
      }
    }
    if result.isEmpty {
      result.append(
        Finding("network", facts[0].interfaces.isEmpty ? "none" : facts[0].interfaces.joined(separator: ", "))
      )
    }
    return result
  }

  private var clock: [Finding] {
    guard hosts.count > 1 else { return [] }
    let wrong = facts.filter { abs($0.clockAhead) > 1 + $0.clockTolerance }
    let largest = facts.map { abs($0.clockAhead) }.max() ?? 0
    guard !wrong.isEmpty else {
      return [Finding("clocks", String(format: "%.3f s apart at most", largest))]
    }
    return [
      Finding(
        .advice, "clocks",
        "\(names(wrong)): \(String(format: "%.1f", wrong[0].clockAhead)) s from that of rank 0",
        remedy: "let the hosts keep time (chrony, ntpd): logs cannot be compared otherwise",
        ranks: wrong.map(\.rank))
    ]
  }

  private var files: [Finding] {
    let low = facts.filter { $0.openFiles < facts.count + 64 }
    guard !low.isEmpty else { return [] }
    return [
      Finding(
        .advice, "open files", "\(names(low)): a limit of \(low[0].openFiles)",
        remedy: "ulimit -n \(facts.count + 1024)", ranks: low.map(\.rank))
    ]
  }

  // MARK: Subjects of the check

  private var configuration: [Finding] {
    check(
      "configuration", \.configuration, remedy: "correct the file, or make it readable there",
      differs: "all ranks must read the same: put it into a shared folder")
  }

  private var dataset: [Finding] {
    check(
      "dataset", \.dataset, remedy: "copy it there, or put it into a shared folder",
      differs: "copy one and the same dataset to all hosts")
  }

  private var output: [Finding] {
    var result = check(
      "run directory", \.output, remedy: "choose a directory that all hosts see and that can be written to",
      differs: "")
    if let speed = facts.compactMap(\.writeBytesPerSecond).min(), result.allSatisfy({ $0.level == .fine }) {
      result.append(Finding("disk", String(format: "writes %.0f MB/s", speed * 1e-6)))
    }
    return result
  }

  private func check(
    _ subject: String, _ path: KeyPath<RankFacts, RankFacts.Check?>, remedy: String, differs: String
  ) -> [Finding] {
    let checks = facts.compactMap { fact in fact[keyPath: path].map { (fact, $0) } }
    guard let first = checks.first else { return [] }
    let failed = checks.filter { $0.1.problem != nil }
    if let problem = failed.first?.1.problem {
      return [
        Finding(
          .problem, subject, "\(names(failed.map(\.0))): \(problem)", remedy: remedy,
          ranks: failed.map(\.0.rank))
      ]
    }
    let others = checks.filter { $0.1.digest != first.1.digest }.map(\.0)
    guard others.isEmpty else {
      return [
        Finding(
          .problem, subject, "\(names(others)): \(first.1.path) is not what rank 0 has", remedy: differs,
          ranks: others.map(\.rank))
      ]
    }
    return [Finding(subject, "\(first.1.path): good\(facts.count > 1 ? ", the same on all ranks" : "")")]
  }

  // MARK: Text

  /// The ranks whose value differs from that of rank 0.
  private func differing<Value: Equatable>(_ value: (RankFacts) -> Value) -> [RankFacts] {
    facts.filter { value($0) != value(facts[0]) }
  }

  /// For example, `rank 1 on n2, rank 2 on n3 and 5 more`.
  private func names(_ some: [RankFacts]) -> String {
    guard facts.count > 1 else { return facts[0].host }
    let shown = some.prefix(4).map { "rank \($0.rank) on \($0.host)" }.joined(separator: ", ")
    return some.count > 4 ? "\(shown) and \(some.count - 4) more" : shown
  }
}
