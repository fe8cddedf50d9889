import Configuration
import Foundation
import Kernels
import Reporting
import Settings
import Tensors

/// Checks and times the kernels used by models, on the shapes that occur there.
public struct KernelBenchmark {
  public let trials: [KernelTrial]
  /// The overhead of the parallel loops over which kernels distribute their work.
  public let loops: [LoopTrial]
  public let threads: Int
  /// Peak performance of the threads.
  public let peakFlopsPerSecond: Double

  /// - Parameters:
  ///   - models: configurations with the image shape [H, W, C] to measure each with.
  ///   - onTrial: called before each kernel with its name and sizes.
  public init(
    _ models: [(configuration: TrainingConfiguration, imageShape: [Int])], threads: Int,
    onTrial: (_ name: String) -> Void = { _ in }
  ) {
    let engine = Engine(threadCount: threads)
    self.threads = threads
    peakFlopsPerSecond = PeakArithmetic.flopsPerSecond(pool: engine.threads)
    var kernels: [any TriedKernel] = []
    var seen: Set<AnyHashable> = []
    for (configuration, imageShape) in models {
      for kernel in Self.kernels(of: configuration, imageShape, engine)
      where seen.insert(AnyHashable(kernel)).inserted {
        kernels.append(kernel)
      }
    }
    trials = kernels.flatMap { kernel in
      onTrial("\(kernel.kernelName), \(kernel.sizes)")
      return KernelTrial.run(kernel, on: engine.threads)
    }
    onTrial("parallel loops")
    loops = LoopTrial.run()
  }

  /// The kernels run in the forward pass of a micro-batch.
  private static func kernels(
    of configuration: TrainingConfiguration, _ imageShape: [Int], _ engine: Engine
  ) -> [any TriedKernel] {
    let model = configuration.model
    let profile = Profile()
    // With gradients, as in training: batch normalisation uses a different kernel otherwise.
    let tape = Tape(
      engine: engine,
      sets: [
        BoundParameters(
          nil, weights: ParameterBuffer(count: model.parameters.flatCount),
          gradients: ParameterBuffer(count: model.parameters.flatCount))
      ],
      precision: configuration.training.precision, profile: profile)
    let batch = max(configuration.training.batchSize / configuration.training.microbatches, 1)
    model.run(tape.zeros([batch] + imageShape))
    return profile.operations.compactMap { $0.shape as? any TriedKernel }
  }

  /// Machine-readable form, for scripts.
  public var json: String {
    let kernels = trials.map { trial -> SettingsNode in
      [
        "kernel": SettingsNode(trial.kernel), "pass": SettingsNode(trial.pass),
        "sizes": SettingsNode(trial.sizes), "flops": SettingsNode(trial.flops),
        "bytes": SettingsNode(trial.bytes), "seconds": SettingsNode(trial.seconds),
        "share_of_peak": SettingsNode(share(of: trial)),
        "speedup": trial.speedup.map { SettingsNode($0) } ?? nil,
        "error": trial.error.map { SettingsNode($0) } ?? nil,
      ]
    }
    let node: SettingsNode = [
      "threads": SettingsNode(threads), "peak_flops_per_second": SettingsNode(peakFlopsPerSecond),
      "kernels": SettingsNode(.list(kernels)), "loops": SettingsNode(.list(loops.map(\.node))),
    ]
    return node.indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    var table = TextTable(
      ["kernel", "pass", "sizes", "ms", "GFLOP/s", "of peak", "GB/s", "x reference", "error"], textColumns: 3)
    for trial in trials {
      table.add([
        trial.kernel, trial.pass, trial.sizes, String(format: "%.3f", trial.seconds * 1e3),
        trial.flops > 0 ? String(format: "%.1f", Double(trial.flops) / trial.seconds * 1e-9) : "",
        trial.flops > 0 ? String(format: "%.0f%%", 100 * share(of: trial)) : "",
        String(format: "%.1f", Double(trial.bytes) / trial.seconds * 1e-9),
        trial.speedup.map { String(format: "%.0f", $0) } ?? "",
        trial.error.map { String(format: "%.1e", $0) } ?? "",
      ])
    }
    return table.text
      + String(
        format:
          "\nPeak of %ld threads, in registers: %.0f GFLOP/s. Convolutions count by their definition.\n",
        threads, peakFlopsPerSecond * 1e-9) + "\n" + LoopTrial.text(loops)
  }

  private func share(of trial: KernelTrial) -> Double {
    Double(trial.flops) / trial.seconds / peakFlopsPerSecond
  }
}
