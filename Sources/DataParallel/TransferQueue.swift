import Tensors

/// Buckets on their way in the order in which they were added, a few at once: while one is added up, the next ones
/// travel. More would share the wire, and the first would be there no sooner.
///
/// All ranks add the same buckets in the same order, and whoever waits goes on with all of its own: so the first bucket
/// that is not through everywhere always gets on.
final class TransferQueue {
  typealias Start = (_ lane: Int) throws -> any BucketTransfer

  /// How many travel at once.
  static let lanes = 4

  private let name: String
  private var waiting: [(bucket: Int, start: Start)] = []
  private var next = 0
  private var travelling: [(bucket: Int, lane: Int, transfer: any BucketTransfer, since: UInt64)] = []
  private var freeLanes = Array((0..<lanes).reversed())
  /// What is told of each bucket's way; nil: nothing is measured.
  var profile: Profile?

  /// - Parameter name: what a profile calls it.
  init(_ name: String) { self.name = name }

  deinit {
    // Only where something has failed is anything left under way. MPI may go on writing to its memory until the process
    // ends, which it is about to: so that memory stays.
    for entry in travelling { _ = Unmanaged.passRetained(entry.transfer as AnyObject) }
  }

  var isEmpty: Bool { travelling.isEmpty && next == waiting.count }

  /// - Parameter start: starts the transfer; `lane` is its own while it lasts.
  func add(_ bucket: Int, _ start: @escaping Start) throws {
    waiting.append((bucket, start))
    try launch()
  }

  /// Lets those under way go as far as they can without waiting; calls `arrived` for each that is through.
  func advance(arrived: (_ bucket: Int) -> Void = { _ in }) throws {
    var index = 0
    while index < travelling.count {
      guard try travelling[index].transfer.advance() else {
        index += 1
        continue
      }
      let (bucket, lane, _, since) = travelling.remove(at: index)
      freeLanes.append(lane)
      profile?.add("\(name) \(bucket)", kind: .transfer, lane: lane + 1, start: since)
      arrived(bucket)
      // At once: the wire should not be idle while the others are looked at.
      try launch()
    }
  }

  private func launch() throws {
    while next < waiting.count, let lane = freeLanes.popLast() {
      let (bucket, start) = waiting[next]
      next += 1
      let since = Profile.now
      travelling.append((bucket, lane, try start(lane), since))
    }
    if next == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      next = 0
    }
  }
}
