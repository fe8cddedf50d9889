import Configuration
import DataParallel
import Foundation
import Models

/// A lower bound on the memory that training needs per rank, as far as it follows from shapes. Without this check, a
/// host that is too small would have the run killed without a message, perhaps hours later.
package struct MemoryNeed {
  /// Bytes of weights, gradients, moments and averages.
  package let state: Int
  /// Bytes of the step's images and of those prefetched for the next.
  package let images: Int
  /// Bytes of activations that a micro-batch's forward pass keeps for the backward pass.
  package let activations: Int

  package var total: Int { state + images + activations }

  /// - Parameter summary: the model's, for images of the dataset's shape.
  package init(
    _ configuration: TrainingConfiguration, _ summary: ModelSummary, _ assignment: MicrobatchAssignment
  ) {
    let bytes = configuration.trainedParameters.flatCount * MemoryLayout<Float>.size
    let ranks = assignment.worldSize
    let averages = (configuration.ema.first == nil ? 0 : 1) + configuration.ema.further.count
    // All weights and gradients, and this rank's parts of the two moments and the averages. With one rank and one
    // micro-batch, gradients need not be held in memory.
    let whole = ranks == 1 && assignment.microbatches == 1 ? 1 : 2
    state = whole * bytes + (2 + averages) * (bytes / ranks)
    let imageBytes = summary.imageShape.reduce(MemoryLayout<Float>.size, *)
    images = 2 * assignment.ownSamples.count * imageBytes
    activations =
      configuration.training.recomputes ? 0 : assignment.microbatchSize * summary.activationBytes
  }

  /// - Parameters:
  ///   - ranks: number of ranks on the host.
  ///   - memory: the host's memory in bytes.
  /// - Throws: `MemoryError` if the host does not have enough memory.
  package func require(ranks: Int, of host: String, memory: Int = Self.hostMemory) throws {
    let (needed, overflow) = total.multipliedReportingOverflow(by: ranks)
    guard overflow || needed > memory else { return }
    throw MemoryError(need: self, ranks: ranks, host: host, memory: memory)
  }

  /// The memory of this host, in bytes.
  package static var hostMemory: Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }
}

/// A host without enough memory for its ranks.
public struct MemoryError: Error, CustomStringConvertible {
  let need: MemoryNeed
  let ranks: Int
  let host: String
  let memory: Int

  public var description: String {
    func gigabytes(_ bytes: Int) -> String { String(format: "%.1f GB", Double(bytes) * 1e-9) }
    return "\(host) has \(gigabytes(memory)) of memory, and training takes \(gigabytes(need.total)) on "
      + (ranks == 1 ? "its rank" : "each of its \(ranks) ranks")
      + ": \(gigabytes(need.state)) for weights, gradients, moments and averages, \(gigabytes(need.images)) for images, "
      + "\(gigabytes(need.activations)) for what a micro-batch's backward pass needs; a smaller training.batch_size, "
      + "more training.microbatches, training.recompute or a smaller model take less"
  }
}
