import DataParallel
import Foundation

/// What a step takes on many ranks, each with the same images: computing, and the part of the communication that does
/// not hide behind it.
///
/// Gradients travel while the backward pass runs, weights while the next forward pass does; an update is shared by all.
/// Each of both ways takes log₂(W) exchanges for every bucket, of which some are under way at once, and (W - 1) / W of
/// the bytes:
///
///     T(W) = ⌈buckets / lanes⌉ log₂(W) latency + (W - 1) / W bytes / bandwidth
///     step(W) = forward + backward + update / W + max(0, T - hiding · backward) + max(0, T - hiding · forward)
public struct ScalingModel: Sendable {
  /// Of one rank with its images, in seconds.
  public let forward: Double
  public let backward: Double
  /// Of all weights, in seconds.
  public let update: Double
  /// Of gradients, and of weights.
  public let bytes: Int
  public let bucketBytes: Int
  public let link: LinkModel
  /// The part of a pass that can hide communication: the first gradients are complete, and the first weights needed, only
  /// somewhat into it, or from its very beginning.
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

  /// Seconds for one way alone, of gradients or of weights.
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

  /// Seconds of a step in which a rank does nothing but wait.
  public func exposed(ranks: Int) -> Double {
    let one = communication(ranks: ranks)
    return max(0, one - hiding * backward) + max(0, one - hiding * forward)
  }

  public func step(ranks: Int) -> Double {
    forward + backward + update / Double(ranks) + exposed(ranks: ranks)
  }

  /// How much faster `ranks` ranks get through their images than one does, for each of them.
  public func efficiency(ranks: Int) -> Double { step(ranks: 1) / step(ranks: ranks) }

  /// The images of a rank, as a multiple of those measured, below which communication no longer hides.
  public func hidingLimit(ranks: Int) -> Double {
    communication(ranks: ranks) / (hiding * min(forward, backward))
  }
}
