import DataParallel
import Datasets
import Kernels
import MPI
import Tasks
import Tensors

/// Computes the loss on held-out samples, with fixed noise levels and fixed noise, so that its values can be compared
/// between steps and between runs.
///
/// The work is divided into fixed passes of one micro-batch, which are distributed over the ranks, so the result does
/// not depend on the number of ranks and threads.
package struct Validation: Sendable {
  private let dataset: ShardedDataset
  /// The fields to read; nil for images and labels.
  private let fields: [FieldRequest]?
  /// The dataset indices of the samples used, spread evenly over the dataset.
  private let indices: [Int]
  private let samplesPerPass: Int
  private let precision: ProductPrecision

  /// - Parameters:
  ///   - fields: the fields that the task reads; nil for images and labels.
  ///   - count: the number of samples to use, if the dataset has that many.
  ///   - samplesPerPass: samples per forward pass.
  ///   - precision: how passes round the factors of matrix products.
  package init(
    _ dataset: ShardedDataset, fields: [FieldRequest]? = nil, count: Int, samplesPerPass: Int,
    precision: ProductPrecision = .float32
  ) {
    precondition(count > 0 && samplesPerPass > 0, "\(count) samples in passes of \(samplesPerPass)")
    let chosen = min(count, dataset.count)
    self.dataset = dataset
    self.fields = fields
    self.samplesPerPass = samplesPerPass
    self.precision = precision
    indices = (0..<chosen).map { $0 * dataset.count / chosen }
  }

  /// The mean loss over the samples. Collective.
  ///
  /// - Parameters:
  ///   - weights: the weights of the task's trained parameters.
  ///   - progress: called before each of this rank's passes.
  /// - Throws: `CollectiveFailure` if samples cannot be read; `MPIError`.
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
    // Summed in the order of the passes, whichever rank computed them.
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
      precision: precision, adaptation: task.adaptation(of: input))
    let losses = task.losses(of: input, on: tape)
    return losses.total.value * Double(samples.count)
  }
}
