import Kernels
import Randomness

/// How images become noise, what a network is asked for on the way, and how its output is read.
///
/// A process knows no networks: training gives it images and hands its inputs to a network
/// (`DiffusionProcess+Training.swift`), sampling reads outputs by it (``SamplingPlan``).
public protocol DiffusionProcess: Sendable {
  var kind: ProcessKind { get }
  /// The distance of the network's output from its target.
  var loss: PredictionLoss { get }
  /// The strength of the noise that a channel's pixels share (Guttenberg, 2023, "Diffusion with Offset Noise"); 0: none.
  var offsetNoise: Double { get }
  /// Output channels for each channel of the image: 2 where variances are learned, else 1. The first C are the
  /// prediction.
  var outputsPerChannel: Int { get }

  /// The level of a training sample, drawn from `stream`.
  func level(drawnFrom stream: RandomStream) -> NoiseLevel

  /// The level below which training draws the part `quantile`, in (0, 1), of its samples: for losses at fixed levels.
  func level(atQuantile quantile: Double) -> NoiseLevel

  /// What the loss holds beside the weighted distance; adds to the gradient by the whole output.
  func addToLoss(_ batch: LossBatch)

  /// The samplers that this process can be sampled with; the first is the default.
  var samplers: [SamplerKind] { get }

  /// How an output is read at a point of a sampling path.
  func readout(at point: PathPoint) -> Readout

  /// The points that a sampler visits.
  ///
  /// - Throws: ``SamplingError``.
  func path(for sampler: SamplerKind, _ options: SamplingOptions, _ scheduler: SchedulerConfiguration?) throws
    -> SamplingPath
}

extension DiffusionProcess {
  public var outputsPerChannel: Int { 1 }
  public func addToLoss(_ batch: LossBatch) {}

  /// `count` levels, spread over those of training: sample i has the quantile of the i-th number of the golden-ratio
  /// sequence, so that any part of the samples covers all levels evenly.
  public func fixedLevels(_ samples: Range<Int>) -> [NoiseLevel] {
    samples.map { sample in
      let position = 0.5 + Double(sample) * 0.618_033_988_749_894_9
      return level(atQuantile: min(max(position - position.rounded(.down), 0x1p-40), 1 - 0x1p-40))
    }
  }
}

/// The processes, by the names that configurations use.
public enum ProcessKind: String, CaseIterable, Sendable {
  /// Discrete time, variance preserving (Ho et al., 2020).
  case ddpm
  /// Continuous noise levels with preconditioning (Karras et al., 2022).
  case edm
  /// Straight lines from image to noise (Liu et al., 2023; Lipman et al., 2023).
  case flow
}

/// What a process needs to add its own part to the loss of a micro-batch.
public struct LossBatch {
  /// One for each sample: [B].
  public let levels: [NoiseLevel]
  /// x_0 [B, size].
  public let images: UnsafeBufferPointer<Float>
  /// x [B, size], as the network saw it.
  public let noisy: UnsafeBufferPointer<Float>
  /// The network's output [B, pixels, channels].
  public let output: UnsafeBufferPointer<Float>
  /// C.
  public let imageChannels: Int
  /// The gradient of the mean loss by `output`, to be added to.
  public let gradient: UnsafeMutableBufferPointer<Float>
  /// Each sample's loss [B], to be added to.
  public let sampleLosses: UnsafeMutableBufferPointer<Double>
  public let threads: ThreadPool
}
