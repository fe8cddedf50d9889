import ArgumentParser

/// `oboro bench`: how fast what is.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast training steps and kernels are on this machine.",
    subcommands: [BenchStep.self, BenchKernels.self])
}
