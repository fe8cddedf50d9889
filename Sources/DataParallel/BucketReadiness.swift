import Tensors

/// Tracks which gradient buckets are complete during the backward pass. A bucket is complete when all parameters in it
/// are.
public struct BucketReadiness {
  /// The buckets that each parameter overlaps, by the parameter's offset.
  private var buckets: [Int: ClosedRange<Int>] = [:]
  /// The number of incomplete parameters in each bucket.
  private var missing: [Int]
  private var isGiven: [Bool]

  /// - Parameter parameters: the parameters that will receive gradients.
  public init(_ plan: BucketPlan, waitingFor parameters: some Sequence<Parameter>) {
    missing = [Int](repeating: 0, count: plan.buckets.count)
    isGiven = [Bool](repeating: false, count: plan.buckets.count)
    guard let size = plan.buckets.first?.count else { return }
    for parameter in parameters where parameter.count > 0 {
      let range = parameter.offset / size...(parameter.offset + parameter.count - 1) / size
      buckets[parameter.offset] = range
      for bucket in range { missing[bucket] += 1 }
    }
  }

  /// Marks the parameters at `offsets` as complete and returns the buckets that this completes.
  public mutating func buckets(completedBy offsets: some Sequence<Int>) -> [Int] {
    var ready: [Int] = []
    for offset in offsets {
      for bucket in buckets[offset].map(Array.init) ?? [] {
        missing[bucket] -= 1
        if missing[bucket] == 0 { ready.append(bucket) }
      }
    }
    for bucket in ready { isGiven[bucket] = true }
    return ready
  }

  /// The buckets not yet returned: those only complete at the end of the pass, and those without any parameter to wait
  /// for.
  public mutating func remainingBuckets() -> [Int] {
    let rest = isGiven.indices.filter { !isGiven[$0] }
    for bucket in rest { isGiven[bucket] = true }
    return rest.reversed()
  }
}
