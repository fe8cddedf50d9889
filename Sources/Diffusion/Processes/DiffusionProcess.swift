import Kernels
import Randomness

/// Defines how images are turned into noise, the target of the network at each noise level, and how its output is
/// interpreted.
///
/// A process is independent of any network: training gives it images and passes the inputs it makes to a network
/// (`DiffusionProcess+Training.swift`); sampling interprets outputs with it (``SamplingPlan``).
public protocol DiffusionProcess: Sendable {
  var kind: ProcessKind { get }
  /// The distance between the network's output and its target.
  var loss: PredictionLoss { get }
  /// The strength of the noise shared by all pixels of a channel (Guttenberg, 2023, "Diffusion with Offset Noise"); 0
  /// disables it.
  var offsetNoise: Double { get }
  /// Output channels per image channel: 2 if variances are learned, otherwise 1. The first C channels are the
  /// prediction.
  var outputsPerChannel: Int { get }

  /// Draws the level of a training sample from `stream`.
  func level(drawnFrom stream: RandomStream) -> NoiseLevel

  /// The level at `quantile`, in (0, 1), of the distribution that training draws from; for losses at fixed levels.
  func level(atQuantile quantile: Double) -> NoiseLevel

  /// Adds any terms of the loss other than the weighted distance, and their gradients with respect to the whole output.
  func addToLoss(_ batch: LossBatch)

  /// The sampler that is used unless another one is asked for.
  var defaultSampler: SamplerKind { get }

  /// How an output is interpreted at a point of a sampling path.
  func readout(at point: PathPoint) -> Readout

  /// The points that a sampler visits.
  ///
  /// - Throws: ``SamplingError``.
  func path(for sampler: SamplerKind, _ options: SamplingOptions, _ scheduler: SchedulerConfiguration?) throws
    -> SamplingPath
}

extension DiffusionProcess {
  /// The samplers that support this process, the default first.
  public var samplers: [SamplerKind] {
    [defaultSampler]
      + SamplerKind.allCases.filter { $0 != defaultSampler && $0.traits.processes.contains(kind) }
  }

  public var outputsPerChannel: Int { 1 }
  public func addToLoss(_ batch: LossBatch) {}

  /// `samples.count` levels, spread over the training distribution: sample i has the i-th number of the golden-ratio
  /// sequence as its quantile, so that any subset of consecutive samples covers all levels evenly.
  public func fixedLevels(_ samples: Range<Int>) -> [NoiseLevel] {
    samples.map { sample in
      let position = 0.5 + Double(sample) * 0.618_033_988_749_894_9
      return level(atQuantile: min(max(position - position.rounded(.down), 0x1p-40), 1 - 0x1p-40))
    }
  }
}

/// The processes, by their names in configurations.
public enum ProcessKind: String, CaseIterable, Sendable {
  /// Discrete time, variance preserving (Ho et al., 2020).
  case ddpm
  /// Continuous noise levels with preconditioning (Karras et al., 2022).
  case edm
  /// Straight lines from image to noise (Liu et al., 2023; Lipman et al., 2023).
  case flow
}

/// The inputs and outputs with which a process adds its own terms to the loss of a micro-batch.
public struct LossBatch {
  /// One per sample: [B].
  public let levels: [NoiseLevel]
  /// x_0 [B, size].
  public let images: UnsafeBufferPointer<Float>
  /// x [B, size], as passed to the network.
  public let noisy: UnsafeBufferPointer<Float>
  /// The network's output [B, pixels, channels].
  public let output: UnsafeBufferPointer<Float>
  /// C.
  public let imageChannels: Int
  /// The gradient of the mean loss with respect to `output`; to be accumulated into.
  public let gradient: UnsafeMutableBufferPointer<Float>
  /// Each sample's loss [B]; to be accumulated into.
  public let sampleLosses: UnsafeMutableBufferPointer<Double>
  public let threads: ThreadPool
}
