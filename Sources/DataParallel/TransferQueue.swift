import Kernels
import Tensors

/// Buckets on their way in the order in which they were added, a few at once. More would share the wire, and the first
/// would be there no sooner.
///
/// All ranks add the same buckets in the same order, and whoever waits goes on with all of its own: so the first bucket
/// that is not through everywhere always gets on.
final class TransferQueue {
  typealias Start = (_ lane: Int, _ threads: ThreadPool) throws -> any BucketTransfer

  private let name: String
  private let firstLane: Int
  private var waiting: [(bucket: Int, start: Start)] = []
  private var next = 0
  private var travelling: [(bucket: Int, lane: Int, transfer: any BucketTransfer, since: UInt64?)] = []
  private var freeLanes: [Int]
  /// How many may be under way now.
  private var limit: Int
  private let firstLimit: Int
  /// Whether a profile is to be told.
  private var isMeasured = false
  private var arrived: [(bucket: Int, lane: Int, since: UInt64, end: UInt64)] = []

  /// - Parameters:
  ///   - name: what a profile calls it.
  ///   - lanes: how many travel at once.
  ///   - firstLane: the number of the first of them in a profile.
  ///   - startsAlone: whether the first has the wire for itself, and each that arrives makes room for one more.
  init(_ name: String, lanes: Int, firstLane: Int, startsAlone: Bool = false) {
    self.name = name
    self.firstLane = firstLane
    firstLimit = startsAlone ? 1 : lanes
    limit = firstLimit
    freeLanes = Array((0..<lanes).reversed())
  }

  deinit {
    // Only where something has failed is anything left under way. MPI may go on writing to its memory until the process
    // ends, which it is about to: so that memory stays.
    for entry in travelling { _ = Unmanaged.passRetained(entry.transfer as AnyObject) }
  }

  var isEmpty: Bool { travelling.isEmpty && next == waiting.count }

  /// - Parameters:
  ///   - threads: the calling thread's.
  ///   - start: starts the transfer; `lane` is its own while it lasts.
  func add(_ bucket: Int, _ threads: ThreadPool, _ start: @escaping Start) throws {
    if isEmpty { limit = firstLimit }
    waiting.append((bucket, start))
    // The rest start when somebody looks.
    if travelling.isEmpty { try launch(threads, lanes: 1) }
  }

  /// Those that wait, which this queue forgets.
  func takeWaiting() -> [(bucket: Int, start: Start)] {
    defer { (waiting, next) = ([], 0) }
    return Array(waiting[next...])
  }

  /// Lets those under way go as far as they can without waiting, and starts others; calls `onArrival` for each that is
  /// through.
  ///
  /// - Parameter lanes: how many may be under way.
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
      // At once: the wire should not be idle meanwhile.
      try launch(threads, lanes: lanes)
      try onArrival(bucket)
    }
  }

  /// From now on a profile is to be told, another than before, or none.
  func measure(_ isMeasured: Bool) {
    self.isMeasured = isMeasured
    arrived = []
    for index in travelling.indices { travelling[index].since = nil }
  }

  /// Tells `profile` of those that are through.
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
