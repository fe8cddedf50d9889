import ArgumentParser
import Benchmarks
import Configuration
import Foundation
import MPI

/// `oboro bench allreduce`: times all-reduce over the ranks.
struct BenchAllReduce: ParallelCommand {
  static let configuration = CommandConfiguration(
    commandName: "allreduce",
    abstract: "Time the sum over all ranks by size, beside MPI_Allreduce.",
    discussion: """
      The sum is training's: a reduce-scatter and an all-gather by halving and doubling. GB/s are those of one rank's \
      link in each direction, 2 (W - 1) / W of the bytes.

      mpirun -n 4 oboro bench allreduce --threads 1
      launch/virtual-cluster 2 --rate 1gbit mpirun -n 2 oboro bench allreduce --threads 1
      """)

  @Option(help: ArgumentHelp("Sizes in bytes.", discussion: "If not given: 1 KiB to 64 MiB."))
  var size: [Int] = []

  @Option(help: ArgumentHelp("Bytes of a bucket.", discussion: "If not given: what training uses."))
  var bucketBytes = TrainingSettings.defaultBucketBytes

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    for value in size where !(4...1 << 34).contains(value) {
      throw ValidationError("--size must be 4 to \(1 << 34), is \(value)")
    }
    if !(1...Int(Int32.max)).contains(bucketBytes) {
      throw ValidationError("--bucket-bytes must be 1 to \(Int32.max), is \(bucketBytes)")
    }
  }

  func run() throws {
    try runSession { session, environment in
      let world = session.world
      let threads = try world.agree { try threadOptions.count(environment: environment) }
      let benchmark = try AllReduceBenchmark(
        sizes: size.isEmpty ? AllReduceBenchmark.sizes : size, bucketBytes: bucketBytes, threads: threads,
        communicator: world)
      if world.rank == 0 { try print(json ? benchmark.json : benchmark.text, terminator: "") }
      return .done
    }
  }
}
