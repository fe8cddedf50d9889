import DataParallel
import Foundation

/// The duration of a step on many ranks, each with the same number of images: computation, and the part of
/// communication that is not overlapped with it.
///
/// Gradients are exchanged during the backward pass, weights during the next forward pass; the update is divided
/// between the ranks. Each of the two exchanges takes log₂(W) rounds per bucket, several buckets being in flight at
/// once, and moves (W - 1) / W of the bytes:
///
///     T(W) = ⌈buckets / lanes⌉ log₂(W) latency + (W - 1) / W bytes / bandwidth
///     step(W) = forward + backward + update / W + max(0, T - hiding · backward) + max(0, T - hiding · forward)
public struct ScalingModel: Sendable {
  /// Duration of each pass on one rank with its images, in seconds.
  public let forward: Double
  public let backward: Double
  /// Duration of the update of all weights, in seconds.
  public let update: Double
  /// The size of the gradients, and of the weights.
  public let bytes: Int
  public let bucketBytes: Int
  public let link: LinkModel
  /// The fraction of a pass that can hide communication: it is below 1 if the first gradients are complete, and the
  /// first weights needed, only some way into it.
  public let hiding: Double

  public init(
    forward: Double, backward: Double, update: Double, bytes: Int, bucketBytes: Int, link: LinkModel,
    hiding: Double
  ) {
    self.forward = forward
    self.backward = backward
    self.update = update
    self.bytes = bytes
    self.bucketBytes = bucketBytes
    self.link = link
    self.hiding = hiding
  }

  /// Seconds for a single exchange, of gradients or of weights.
  public func communication(ranks: Int) -> Double {
    guard ranks > 1 else { return 0 }
    let (ranks, bytes) = (Double(ranks), Double(bytes))
    // A bucket has at least one granule for each rank.
    let granule = BucketPlan.granularity * MemoryLayout<Float>.size
    let buckets = (bytes / max(Double(bucketBytes), ranks * Double(granule))).rounded(.up)
    return (buckets / Double(GradientExchange.bucketsAtOnce)).rounded(.up) * log2(ranks).rounded(.up)
      * link.latency
      + (ranks - 1) / ranks * bytes / link.bandwidth
  }

  /// Seconds of a step in which a rank only waits.
  public func exposed(ranks: Int) -> Double {
    let one = communication(ranks: ranks)
    return max(0, one - hiding * backward) + max(0, one - hiding * forward)
  }

  public func step(ranks: Int) -> Double {
    forward + backward + update / Double(ranks) + exposed(ranks: ranks)
  }

  /// The throughput per rank relative to that of a single rank.
  public func efficiency(ranks: Int) -> Double { step(ranks: 1) / step(ranks: ranks) }

  /// The number of images per rank, as a multiple of the measured number, below which communication is no longer
  /// hidden.
  public func hidingLimit(ranks: Int) -> Double {
    communication(ranks: ranks) / (hiding * min(forward, backward))
  }
}
