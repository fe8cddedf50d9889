import ArgumentParser

/// `oboro bench`: how fast what is.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast training steps, kernels and the loader are on this machine.",
    subcommands: [BenchStep.self, BenchKernels.self, BenchLoader.self])
}
