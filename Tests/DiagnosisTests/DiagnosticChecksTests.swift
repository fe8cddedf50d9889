import Diagnosis
import Testing

/// What is found in facts, each with one fault planted.
@Suite struct DiagnosticChecksTests {
  /// Four ranks on two hosts with which all is well.
  private func facts() -> [RankFacts] {
    (0..<4).map { rank in
      var facts = RankFacts()
      facts.rank = rank
      facts.host = rank < 2 ? "n1" : "n2"
      facts.program = "abc"
      facts.mpi = "Open MPI v4.1.4"
      facts.hdf5 = "1.10.8"
      facts.blasKernels = "Cooperlake"
      facts.processor = "EPYC"
      facts.boundCores = rank % 2 == 0 ? [0, 1] : [2, 3]
      facts.threads = 2
      facts.gigaflopsPerSecond = 200
      facts.availableMemoryBytes = 8 << 30
      facts.sharedMemoryBytes = 1 << 30
      facts.freeSharedMemoryBytes = 1 << 30
      facts.showsMemory = true
      facts.openFiles = 1024
      facts.interfaces = ["eth0 10.0.0.\(rank < 2 ? 1 : 2)/24"]
      facts.configuration = .init(path: "c.yaml", digest: "1")
      facts.dataset = .init(path: "data", digest: "2")
      facts.output = .init(path: "runs/a")
      facts.writeBytesPerSecond = 1e9
      return facts
    }
  }

  private func problems(_ change: (inout [RankFacts]) -> Void) -> [Finding] {
    var all = facts()
    change(&all)
    return DiagnosticChecks(all).findings.filter { $0.level > .fine }
  }

  /// Expects one finding, on `subject`, which names `ranks` and says what to do.
  private func expect(
    _ findings: [Finding], _ level: Finding.Level, _ subject: String, ranks: [Int], _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(findings.count == 1, "\(findings)", sourceLocation: sourceLocation)
    guard let finding = findings.first else { return }
    #expect(
      finding.level == level && finding.subject == subject, "\(finding)", sourceLocation: sourceLocation)
    #expect(finding.ranks == ranks, "\(finding)", sourceLocation: sourceLocation)
    #expect(finding.text.contains(text), "\(finding)", sourceLocation: sourceLocation)
    #expect(finding.remedy?.isEmpty == false, "\(finding)", sourceLocation: sourceLocation)
  }

  @Test func nothingIsFoundWhereAllIsWell() {
    #expect(problems { _ in } == [])
    #expect(DiagnosticChecks(facts()).findings.map(\.subject).contains("dataset"))
  }

  @Test func manyThreadsOfOpenBLAS() {
    expect(
      problems {
        $0[3].blasVariables = ["OPENBLAS_NUM_THREADS=16"]
        $0[3].blasThreads = 16
      }, .problem, "OpenBLAS", ranks: [3], "rank 3 on n2: told to use 16 threads by OPENBLAS_NUM_THREADS=16")
  }

  @Test func kernelsOfOpenBLASForLess() {
    expect(
      problems { $0[0].hasLesserBLASKernels = true }, .advice, "OpenBLAS", ranks: [0],
      "the processor has AVX-512")
  }

  @Test func moreThreadsThanCores() {
    expect(
      problems { for rank in 2..<4 { $0[rank].boundCores = [0, 1] } }, .problem, "cores", ranks: [2, 3],
      "n2: 4 threads of 2 ranks on 2 cores")
  }

  @Test func aShareOfTheCores() {
    expect(
      problems { for rank in 0..<2 { $0[rank].coreShare = 1.5 } }, .problem, "cores", ranks: [0, 1],
      "n1: 4 threads, but the container may use the time of 1.5 cores only")
  }

  @Test func ranksWithoutCoresOfTheirOwn() {
    expect(
      problems { for rank in 2..<4 { $0[rank].boundCores = [0, 1, 2, 3] } }, .advice, "cores", ranks: [2, 3],
      "n2: ranks are not bound")
  }

  @Test func anotherProgram() {
    expect(
      problems { $0[1].program = "abd" }, .problem, "program", ranks: [1], "rank 1 on n1: another program")
  }

  @Test func aDatasetThatIsMissing() {
    expect(
      problems {
        for rank in 2..<4 { $0[rank].dataset = .init(path: "data", problem: "data: does not exist") }
      },
      .problem, "dataset", ranks: [2, 3], "rank 2 on n2, rank 3 on n2: data: does not exist")
  }

  @Test func filesThatDiffer() {
    expect(
      problems { $0[2].dataset?.digest = "3" }, .problem, "dataset", ranks: [2], "data is not what rank 0 has"
    )
    expect(
      problems { $0[3].configuration?.digest = "3" }, .problem, "configuration", ranks: [3],
      "c.yaml is not what rank 0 has")
  }

  @Test func noRoomInSharedMemory() {
    expect(
      problems { for rank in 0..<2 { $0[rank].freeSharedMemoryBytes = 31 << 20 } }, .problem, "shared memory",
      ranks: [0, 1], "31 MiB free in /dev/shm")
  }

  @Test func memoryThatOthersCannotLookAt() {
    expect(
      problems { for rank in 2..<4 { $0[rank].showsMemory = false } }, .advice, "shared memory",
      ranks: [2, 3], "rank 2 on n2, rank 3 on n2: cannot show its memory")
    // Alone on its host a rank has nobody to show it to.
    #expect(
      problems {
        $0.removeLast()
        $0[2].showsMemory = false
      } == [])
  }

  @Test func aSlowHost() {
    expect(
      problems { for rank in 0..<2 { $0[rank].gigaflopsPerSecond = 100 } }, .problem, "arithmetic",
      ranks: [0, 1],
      "rank 0 on n1, rank 1 on n1")
  }

  @Test func addressesThatLeadNowhere() {
    expect(
      problems { for rank in 0..<4 { $0[rank].interfaces.append("docker0 172.17.0.1/16") } }, .problem,
      "network",
      ranks: [], "several hosts have the same address: 172.17.0.1/16")
  }

  @Test func clocksApart() {
    expect(
      problems { for rank in 2..<4 { $0[rank].clockAhead = -7.25 } }, .advice, "clocks", ranks: [2, 3],
      "rank 2 on n2, rank 3 on n2: -7.2 s")
  }

  @Test func anotherKindOfProcessor() {
    expect(problems { $0[3].processor = "Xeon" }, .advice, "processor", ranks: [3], "Xeon, rank 0 has EPYC")
  }

  @Test func listsOfNumbers() {
    #expect(RankFacts.numbers("0-2,8,10-11") == [0, 1, 2, 8, 10, 11])
    #expect(RankFacts.numbers("") == [])
  }
}
