import Kernels
import Tensors

/// A queue of bucket transfers that runs a few at a time, in the order in which they were added. More would share the
/// bandwidth without the first arriving any sooner.
///
/// All ranks add the same buckets in the same order, and a waiting rank advances all of its transfers, so the first
/// bucket that is not yet complete on every rank always makes progress.
final class TransferQueue {
  typealias Start = (_ lane: Int, _ threads: ThreadPool) throws -> any BucketTransfer

  private let name: String
  private let firstLane: Int
  private var waiting: [(bucket: Int, start: Start)] = []
  private var next = 0
  private var travelling: [(bucket: Int, lane: Int, transfer: any BucketTransfer, since: UInt64?)] = []
  private var freeLanes: [Int]
  /// The number of transfers currently allowed in flight.
  private var limit: Int
  private let firstLimit: Int
  /// Whether transfers are timed for a profile.
  private var isMeasured = false
  private var arrived: [(bucket: Int, lane: Int, since: UInt64, end: UInt64)] = []

  /// - Parameters:
  ///   - name: the label in a profile.
  ///   - lanes: the maximum number of concurrent transfers.
  ///   - firstLane: the profile lane of the first of them.
  ///   - startsAlone: whether the first transfer gets the full bandwidth, and each completed one allows one more in
  ///     flight.
  init(_ name: String, lanes: Int, firstLane: Int, startsAlone: Bool = false) {
    self.name = name
    self.firstLane = firstLane
    firstLimit = startsAlone ? 1 : lanes
    limit = firstLimit
    freeLanes = Array((0..<lanes).reversed())
  }

  deinit {
    // Transfers are only left in flight after a failure. MPI may keep writing to their memory until the process ends,
    // which is imminent, so that memory is leaked.
    for entry in travelling { _ = Unmanaged.passRetained(entry.transfer as AnyObject) }
  }

  var isEmpty: Bool { travelling.isEmpty && next == waiting.count }

  /// - Parameters:
  ///   - threads: the calling thread's pool.
  ///   - start: starts the transfer; it has exclusive use of `lane` until it completes.
  func add(_ bucket: Int, _ threads: ThreadPool, _ start: @escaping Start) throws {
    if isEmpty { limit = firstLimit }
    waiting.append((bucket, start))
    // The others are started by the next `advance`.
    if travelling.isEmpty { try launch(threads, lanes: 1) }
  }

  /// Removes and returns the transfers that have not started.
  func takeWaiting() -> [(bucket: Int, start: Start)] {
    defer { (waiting, next) = ([], 0) }
    return Array(waiting[next...])
  }

  /// Advances the transfers in flight as far as possible without blocking and starts further ones; calls `onArrival`
  /// for each that completes.
  ///
  /// - Parameter lanes: the maximum number in flight.
  func advance(_ threads: ThreadPool, lanes: Int, onArrival: (_ bucket: Int) throws -> Void) throws {
    try launch(threads, lanes: lanes)
    var index = 0
    while index < travelling.count {
      guard try travelling[index].transfer.advance(threads) else {
        index += 1
        continue
      }
      let (bucket, lane, _, since) = travelling.remove(at: index)
      freeLanes.append(lane)
      limit += 1
      if let since { arrived.append((bucket, lane, since, Profile.now)) }
      // Immediately, so that the network does not idle in the meantime.
      try launch(threads, lanes: lanes)
      try onArrival(bucket)
    }
  }

  /// Starts measuring for a new profile, or stops measuring.
  func measure(_ isMeasured: Bool) {
    self.isMeasured = isMeasured
    arrived = []
    for index in travelling.indices { travelling[index].since = nil }
  }

  /// Reports the completed transfers to `profile`.
  func report(to profile: Profile) {
    for (bucket, lane, since, end) in arrived {
      profile.add("\(name) \(bucket)", kind: .transfer, lane: firstLane + lane, start: since, end: end)
    }
    arrived.removeAll(keepingCapacity: true)
  }

  private func launch(_ threads: ThreadPool, lanes: Int) throws {
    while next < waiting.count, travelling.count < min(limit, lanes), let lane = freeLanes.popLast() {
      let (bucket, start) = waiting[next]
      next += 1
      let since = isMeasured ? Profile.now : nil
      travelling.append((bucket, lane, try start(lane, threads), since))
    }
    if next == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      next = 0
    }
  }
}
