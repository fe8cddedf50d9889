import DataParallel
import Foundation
import Kernels
import MPI
import Reporting
import Settings
import Tensors
import Training

/// Times the sum of a buffer over all ranks, alternating between training's reduce-scatter and all-gather, and
/// `MPI_Allreduce`.
public struct AllReduceBenchmark {
  /// The results for one size.
  public struct Row: Sendable {
    public let bytes: Int
    /// Median time of training's exchange.
    public let seconds: Double
    /// Median time of `MPI_Allreduce`.
    public let mpiSeconds: Double
  }

  public let rows: [Row]
  private let ranks: Int
  private let threads: Int
  private let bucketBytes: Int

  /// Runs the benchmark. Collective.
  ///
  /// - Parameters:
  ///   - sizes: buffer sizes in bytes.
  ///   - bucketBytes: bucket size, as in training.
  /// - Throws: `AllReduceError` if a sum is wrong; `MPIError`.
  public init(sizes: [Int], bucketBytes: Int, threads: Int, communicator: Communicator) throws {
    let pool = ThreadPool(threadCount: threads)
    rows = try sizes.map { bytes in
      try Self.measure(bytes: bytes, bucketBytes: bucketBytes, pool: pool, communicator)
    }
    ranks = communicator.size
    self.threads = threads
    self.bucketBytes = bucketBytes
  }

  /// From 1 KiB to 64 MiB in factors of 4.
  public static let sizes = (0...8).map { 1024 << (2 * $0) }

  /// Each size is repeated until this many bytes have been moved, within bounds.
  private static let bytesOfAll = 512 << 20
  private static let repetitions = 8...200
  /// Number of alternations. Most repetitions of one method directly follow each other: either method leaves
  /// connections (their number of bytes in flight) and caches in the state that suits it, which would favour or
  /// penalise the other.
  private static let turns = 4

  private static func measure(bytes: Int, bucketBytes: Int, pool: ThreadPool, _ communicator: Communicator)
    throws -> Row
  {
    let memory = ParameterBuffer(
      count: max(bytes / MemoryLayout<Float>.size, 1), isShared: communicator.size > 1)
    // MPI's buffer is placed where MPI is fastest: in large pages not shared with other processes.
    let largeMemory = ParameterBuffer(
      count: max(memory.count, SharedMemory.leastLargeByteCount / MemoryLayout<Float>.size))
    let mpiMemory = UnsafeMutableBufferPointer(rebasing: largeMemory.elements[..<memory.count])
    let plan = BucketPlan(
      count: memory.count, bucketSize: max(bucketBytes / MemoryLayout<Float>.size, 1),
      worldSize: communicator.size)
    let exchange = try GradientExchange(
      communicator: communicator, plan: plan, threads: pool, sharing: [memory])
    // As in training, where this turns the sums into weights.
    exchange.gatherEarly { _, _ in }
    func byExchange() throws {
      for bucket in plan.buckets.indices.reversed() { try exchange.start(bucket, of: memory) }
      try exchange.finish()
      try exchange.gatherEarlyOnes()
      try exchange.finishGathering()
    }
    func byMPI() throws { try communicator.allReduce(mpiMemory, .sum) }

    // First with numbers, whose sums are checked; then with zeros, which remain unchanged by repeated sums.
    for (name, elements, sum) in [
      ("the exchange", memory.elements, byExchange), ("MPI_Allreduce", mpiMemory, byMPI),
    ] {
      for index in elements.indices { elements[index] = Float((index % 1000) * (communicator.rank + 1)) }
      try sum()
      let ranks = communicator.size * (communicator.size + 1) / 2
      let wrong = elements.indices.first { elements[$0] != Float(($0 % 1000) * ranks) }
      try communicator.agree {
        if let wrong {
          throw AllReduceError(description: "\(name) of \(bytes) bytes: element \(wrong) has a wrong sum")
        }
      }
    }
    for elements in [memory.elements, mpiMemory] { elements.update(repeating: 0) }
    let count = min(
      max(bytesOfAll / max(bytes, 1), repetitions.lowerBound), repetitions.upperBound)
    var (own, mpi): ([Double], [Double]) = ([], [])
    for _ in 0..<turns {
      for _ in 0..<count / turns { own.append(try seconds(communicator, byExchange)) }
      for _ in 0..<count / turns { mpi.append(try seconds(communicator, byMPI)) }
    }
    // A sum is complete when the last rank has it.
    return Row(
      bytes: bytes, seconds: try communicator.allReduce(own, .max).median,
      mpiSeconds: try communicator.allReduce(mpi, .max).median)
  }

  private static func seconds(_ communicator: Communicator, _ body: () throws -> Void) throws -> Double {
    try communicator.barrier()
    let watch = Stopwatch()
    try body()
    return watch.seconds
  }

  /// The bandwidth of a rank's link in each direction, in bytes per second, for twice (W - 1) / W of the buffer.
  private func bandwidth(_ row: Row, _ seconds: Double) -> Double {
    2 * Double(ranks - 1) / Double(ranks) * Double(row.bytes) / seconds
  }

  /// The link model fitted to the times of the exchange.
  public var link: LinkModel? { LinkModel(fitting: rows.map { ($0.bytes, $0.seconds) }, ranks: ranks) }

  /// Machine-readable form, for scripts.
  public var json: String {
    let sizes: [SettingsNode] = rows.map { row in
      [
        "bytes": SettingsNode(row.bytes), "seconds": SettingsNode(row.seconds),
        "bandwidth": SettingsNode(bandwidth(row, row.seconds)), "mpi_seconds": SettingsNode(row.mpiSeconds),
        "mpi_bandwidth": SettingsNode(bandwidth(row, row.mpiSeconds)),
      ]
    }
    var entries: [SettingsEntry] = [
      SettingsEntry(key: "ranks", node: SettingsNode(ranks)),
      SettingsEntry(key: "threads", node: SettingsNode(threads)),
      SettingsEntry(key: "bucket_bytes", node: SettingsNode(bucketBytes)),
      SettingsEntry(key: "sizes", node: SettingsNode(.list(sizes))),
    ]
    if let link {
      entries.append(SettingsEntry(key: "latency_seconds", node: SettingsNode(link.latency)))
      entries.append(SettingsEntry(key: "link_bandwidth", node: SettingsNode(link.bandwidth)))
    }
    return SettingsNode(.section(entries)).indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    var table = TextTable(
      ["KiB", "ms", "GB/s", "MPI_Allreduce, ms", "GB/s", "faster by"], textColumns: 0)
    for row in rows {
      table.add([
        "\(row.bytes / 1024)", String(format: "%.3f", 1e3 * row.seconds),
        String(format: "%.3f", 1e-9 * bandwidth(row, row.seconds)),
        String(format: "%.3f", 1e3 * row.mpiSeconds),
        String(format: "%.3f", 1e-9 * bandwidth(row, row.mpiSeconds)),
        String(format: "%.2f", row.mpiSeconds / row.seconds),
      ])
    }
    let fit =
      link.map {
        String(
          format: "an exchange takes about %.0f us and its bytes at %.2f GB/s\n", 1e6 * $0.latency,
          1e-9 * $0.bandwidth)
      } ?? ""
    return "ranks: \(ranks), threads of each: \(threads), buckets of \(bucketBytes) bytes\n" + table.text
      + fit
  }
}

/// A sum over the ranks with a wrong result.
public struct AllReduceError: Error, CustomStringConvertible {
  public let description: String
}
