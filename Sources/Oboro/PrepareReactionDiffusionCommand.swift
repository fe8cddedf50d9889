import ArgumentParser
import Datasets
import Kernels
import MPI
import Reporting

/// `oboro prepare reaction-diffusion`
struct PrepareReactionDiffusion: ParallelCommand {
  private static let name = "reaction-diffusion"

  static let configuration = CommandConfiguration(
    commandName: name,
    abstract: "Make a dataset of patterns that the program computes itself: Gray and Scott's reaction.",
    discussion: """
      Two substances react and diffuse on a periodic grid (Pearson, 1993); images are their concentrations, u and v, after \
      so many steps, and the field scalars has the rates F and k of each sample. With --lead the field conditions has the \
      state so many steps before, to forecast from. Sample i follows from the seed and i alone. The ranks of mpirun share \
      the work; the first one holds all samples before it writes them.

      mpirun -n 4 oboro prepare reaction-diffusion --count 2048 --output data/reaction-diffusion
      """)

  @OptionGroup var options: PrepareOptions

  @Option(help: "Points along each side, 8 or more.")
  var size = 64

  @Option(help: "How many samples.")
  var count = 1024

  @Option(help: "Steps in time, of 1, from squares with noise on.")
  var steps = 6000

  @Option(help: "How many steps before the last to keep the state as a condition; 0: not at all.")
  var lead = 0

  @Option(help: "A whole number, at least 0; another seed gives other samples.")
  var seed: UInt64 = 0

  func validate() throws {
    if !(8...4096).contains(size) { throw ValidationError("--size must be 8 to 4096, is \(size)") }
    if !(1...10_000_000).contains(count) {
      throw ValidationError("--count must be 1 to 10000000, is \(count)")
    }
    if !(1...10_000_000).contains(steps) {
      throw ValidationError("--steps must be 1 to 10000000, is \(steps)")
    }
    if !(0...steps).contains(lead) {
      throw ValidationError("--lead must be 0 to --steps, \(steps), is \(lead)")
    }
  }

  func run() throws {
    try runSession { session, environment in
      let communicator = session.world
      let threads = try communicator.agree {
        try options.threadOptions.count(environment: environment)
      }
      let simulation = ReactionDiffusion(
        size: size, steps: steps, lead: lead, seed: seed, split: options.split)
      let own = simulated(simulation, on: communicator, ThreadPool(threadCount: threads))
      let all = try communicator.gather(own, root: 0)
      try communicator.agree {
        guard let all else { return }
        try options.write(
          SimulatedSource(
            name: Self.name, split: options.split, fields: simulation.fields,
            values: all.count == 1 ? all[0] : all.flatMap { $0 }))
      }
      return .done
    }
  }

  /// This rank's samples.
  private func simulated(
    _ simulation: ReactionDiffusion, on communicator: Communicator, _ pool: ThreadPool
  ) -> [Float] {
    let own =
      count * communicator.rank / communicator.size..<count * (communicator.rank + 1)
      / communicator.size
    let size = simulation.valueCount
    let bar =
      communicator.rank == 0 ? ProgressBar("simulate", total: own.count, console: Console()) : nil
    defer { bar?.finish() }
    return [Float](unsafeUninitializedCapacity: own.count * size) { values, filled in
      for start in stride(from: own.lowerBound, to: own.upperBound, by: Self.together) {
        let some = start..<min(start + Self.together, own.upperBound)
        pool.parallel(some.count) { place, _ in
          let sample = some.lowerBound + place
          let target = (sample - own.lowerBound) * size
          _ = UnsafeMutableBufferPointer(rebasing: values[target..<target + size])
            .update(fromContentsOf: simulation.values(sample))
        }
        bar?.update(some.upperBound - own.lowerBound)
      }
      filled = own.count * size
    }
  }

  /// The number of samples between updates of the progress bar.
  private static let together = 32
}
