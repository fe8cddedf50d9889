import Tensors

/// Which buckets of the gradients are complete while backward runs: a bucket is when all parameters in it are.
public struct BucketReadiness {
  /// Of each parameter, by its offset, the buckets that it lies in.
  private var buckets: [Int: ClosedRange<Int>] = [:]
  /// Parameters that each bucket still waits for.
  private var missing: [Int]
  private var isGiven: [Bool]

  /// - Parameter parameters: those that will get gradients.
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

  /// The buckets that are complete now and were not before, when the gradients of the parameters at `offsets` are.
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

  /// The buckets that have not been given yet; those for the end, and those that wait for nothing.
  public mutating func remainingBuckets() -> [Int] {
    let rest = isGiven.indices.filter { !isGiven[$0] }
    for bucket in rest { isGiven[bucket] = true }
    return rest.reversed()
  }
}
