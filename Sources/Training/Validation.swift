import DataParallel
import Datasets
import MPI
import Tasks
import Tensors

/// The loss on held-out samples: at levels and with noise that stay the same, so that its values can be compared, from
/// one step to another and between runs.
///
/// Work is cut into passes of a micro-batch, always the same ones, which the ranks share. So the result is the same for
/// any number of ranks and threads.
package struct Validation: Sendable {
  private let dataset: ShardedDataset
  /// What is read of each; nil for images and labels.
  private let fields: [FieldRequest]?
  /// The places in the dataset of the samples that are looked at, spread evenly over it.
  private let indices: [Int]
  private let samplesPerPass: Int

  /// - Parameters:
  ///   - fields: what the task reads; nil for images and labels.
  ///   - count: how many samples to look at, if there are as many.
  ///   - samplesPerPass: of a forward pass.
  package init(_ dataset: ShardedDataset, fields: [FieldRequest]? = nil, count: Int, samplesPerPass: Int) {
    precondition(count > 0 && samplesPerPass > 0, "\(count) samples in passes of \(samplesPerPass)")
    let chosen = min(count, dataset.count)
    self.dataset = dataset
    self.fields = fields
    self.samplesPerPass = samplesPerPass
    indices = (0..<chosen).map { $0 * dataset.count / chosen }
  }

  /// The mean loss over the samples. Collective.
  ///
  /// - Parameters:
  ///   - weights: of the task's trained parameters.
  ///   - progress: called before each pass of this rank's.
  /// - Throws: `CollectiveFailure` for samples that cannot be read; `MPIError`.
  package func loss(
    of task: any TrainingTask, weights: ParameterBuffer, engine: Engine, on communicator: Communicator,
    progress: () -> Void = {}
  ) throws -> Double {
    let passes = (indices.count + samplesPerPass - 1) / samplesPerPass
    let (rank, size) = (communicator.rank, communicator.size)
    let own = try communicator.agree {
      try (passes * rank / size..<passes * (rank + 1) / size).map { pass in
        progress()
        return try sum(ofPass: pass, task, weights, engine)
      }
    }
    // In the order of the passes, whoever computed them.
    return try communicator.allGather(own).flatMap { $0 }.reduce(0, +) / Double(indices.count)
  }

  /// The sum of the losses of a pass's samples.
  private func sum(
    ofPass pass: Int, _ task: any TrainingTask, _ weights: ParameterBuffer, _ engine: Engine
  ) throws -> Double {
    let samples = pass * samplesPerPass..<min((pass + 1) * samplesPerPass, indices.count)
    let batch = try dataset.batch(Array(indices[samples]), fields: fields)
    let input = TaskInput(
      batch: batch, places: 0..<samples.count, samples: samples, step: 0, use: .validation)
    let tape = Tape(
      engine: engine,
      sets: [BoundParameters(task.parameters.set, weights: weights, gradients: nil)] + task.frozen,
      adaptation: task.adaptation(of: input))
    let losses = task.losses(of: input, on: tape)
    return losses.total.value * Double(samples.count)
  }
}
