import ArgumentParser

/// `oboro bench`: measures performance.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast training steps, kernels, sums over ranks and the loader are.",
    discussion: """
      oboro bench step --config configs/fashion-mnist.yaml --profile
      oboro bench loader --dataset data/fashion-mnist
      """,
    subcommands: [
      BenchStep.self, BenchKernels.self, BenchAllReduce.self, BenchScaling.self, BenchLoader.self,
      BenchSample.self, BenchAutoencoder.self,
    ])
}
