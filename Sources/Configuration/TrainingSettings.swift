import DataParallel
import Kernels
import Layers
import Settings

/// The section `training`.
public struct TrainingSettings: Hashable, Sendable {
  /// Images of a step, over all ranks.
  public let batchSize: Int
  /// Equal parts of the batch; the world size must divide it.
  public let microbatches: Int
  public let steps: Int
  public let seed: UInt64
  public let logEvery: Int
  /// Steps from one validation loss to the next; 0: none.
  public let validationEvery: Int
  /// Held-out samples that it looks at, at most.
  public let validationSamples: Int
  /// Steps in a row that are left out because their loss or gradient is no number, before the run gives up.
  public let maxSkippedSteps: Int
  /// Steps from one comparison of all ranks' weights to the next; 0: never.
  public let replicaCheckEvery: Int
  /// Seconds that a rank may take to answer before the run is ended; 0: any.
  public let heartbeatTimeout: Double
  /// Whether the backward pass computes the stages of the model again, instead of what the forward pass kept of them.
  public let recomputes: Bool
  /// How passes through the denoiser round the factors of matrix products.
  public let precision: ProductPrecision
  /// Bytes of a bucket of gradients.
  public let bucketBytes: Int
  public static let defaultBucketBytes = 1 << 20
  /// How gradients are written on their way between ranks.
  public let gradientCompression: GradientCompression
  /// The slowest rank is named in the log where it costs more than this part of the time.
  public let stragglerShare: Double

  package init(_ reader: SettingsReader) throws {
    _ = try TaskSettings.Kind(reader)
    batchSize = try reader.value(
      "batch_size", default: 128, in: 1...16_777_216, help: "images a step, over all ranks together")
    microbatches = try reader.value(
      "microbatches", default: 8, in: 1...65_536,
      help: "equal parts of the batch; the number of ranks must divide it")
    reader.tellOfEarlierKeys(in: "training")
    steps = try reader.value(
      "steps", default: 2800, in: 1...4_000_000_000, help: "optimiser updates of the whole run")
    seed = try reader.value("seed", default: UInt64(0), help: "decides every random number")
    logEvery = try reader.value(
      "log_every", default: 10, in: 1..., help: "steps from one line of metrics to the next")
    validationEvery = try reader.value(
      "validation_every", default: 0, in: 0...,
      help: "steps from one loss on dataset.validation_path to the next; 0: never")
    validationSamples = try reader.value(
      "validation_samples", default: 2048, in: 1..., help: "held-out samples that it looks at, at most")
    maxSkippedSteps = try reader.value(
      "max_skipped_steps", default: 10, in: 0...,
      help: "steps in a row to leave out whose loss is not finite, before giving up")
    replicaCheckEvery = try reader.value(
      "replica_check_every", default: 1, in: 0...,
      help: "steps between comparisons of the ranks' weights; 0: never")
    heartbeatTimeout = try reader.value(
      "heartbeat_timeout_seconds", default: 60.0, in: 0.0...86_400,
      help: "after which a rank that is gone, stands still or does not get on ends the run; 0: never")
    recomputes = try reader.value(
      "recompute", default: false,
      help: "compute a model's stages again on the way back: less memory, more time, the same numbers")
    precision = try reader.choice(
      "precision", default: ProductPrecision.float32,
      help: "of the factors of matrix products: float32, or bf16 where the processor has products of bf16")
    bucketBytes = try reader.value(
      "bucket_bytes", default: Self.defaultBucketBytes, in: 1...Int(Int32.max),
      help: "gradients that travel between ranks together; changes the speed only")
    gradientCompression = try reader.choice(
      "gradient_compression", default: GradientCompression.none,
      help: "none, or bf16: half the bytes between ranks, and results that depend on their number")
    stragglerShare = try reader.value(
      "straggler_share", default: 0.1, in: 0.0...,
      help: "part of the time that the slowest rank may cost before the log names it")
  }

  /// How the flat memory of `layout` travels between ranks.
  package func bucketPlan(_ layout: ParameterLayout, worldSize: Int) -> BucketPlan {
    BucketPlan(
      count: layout.flatCount, bucketSize: max(bucketBytes / MemoryLayout<Float>.size, 1),
      worldSize: worldSize)
  }
}
