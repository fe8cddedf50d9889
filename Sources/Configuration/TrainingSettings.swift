import DataParallel
import Kernels
import Layers
import Settings

/// The `training` section.
public struct TrainingSettings: Hashable, Sendable {
  /// Images per step, over all ranks.
  public let batchSize: Int
  /// Number of equal parts of the batch; divisible by the world size.
  public let microbatches: Int
  public let steps: Int
  public let seed: UInt64
  public let logEvery: Int
  /// Steps between validation losses; 0 disables validation.
  public let validationEvery: Int
  /// Maximum number of held-out samples per validation.
  public let validationSamples: Int
  /// Maximum number of consecutive steps skipped because of a non-finite loss or gradient before the run stops.
  public let maxSkippedSteps: Int
  /// Steps between comparisons of all ranks' weights; 0 disables them.
  public let replicaCheckEvery: Int
  /// Seconds without a heartbeat from a rank before the run stops; 0 means no limit.
  public let heartbeatTimeout: Double
  /// Whether the backward pass recomputes the model's stages instead of keeping their activations from the forward
  /// pass.
  public let recomputes: Bool
  /// How passes through the denoiser round the factors of matrix products.
  public let precision: ProductPrecision
  /// Size of a gradient bucket in bytes.
  public let bucketBytes: Int
  public static let defaultBucketBytes = 1 << 20
  /// Encoding of gradients exchanged between ranks.
  public let gradientCompression: GradientCompression
  /// The log names the slowest rank if it costs more than this fraction of the time.
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
      help: "compute a model's stages again in the backward pass: less memory, more time, the same numbers")
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

  /// How gradients in the flat layout `layout` are split into buckets for the exchange between ranks.
  package func bucketPlan(_ layout: ParameterLayout, worldSize: Int) -> BucketPlan {
    BucketPlan(
      count: layout.flatCount, bucketSize: max(bucketBytes / MemoryLayout<Float>.size, 1),
      worldSize: worldSize)
  }
}
