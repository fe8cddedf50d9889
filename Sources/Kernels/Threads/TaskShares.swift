import Synchronization

/// Distributes the tasks of a parallel loop by work stealing. Each worker has a contiguous share of the tasks, and
/// takes tasks of other shares when its own is exhausted.
///
/// Successive loops mostly divide the same images in the same order, so a worker finds its own results in its cache.
///
/// `@unchecked Sendable`: non-atomic fields are written only while no worker takes tasks.
package final class TaskShares: @unchecked Sendable {
  private let workers: Int
  private var count = 0
  private var loop = 0
  /// For each share, the number of the last loop in which a task of it was taken, and how many were taken in that loop.
  private let taken: UnsafeMutablePointer<Atomic<Int>>

  /// Two cache lines apart, since processors fetch them in pairs.
  private static let stride = 16
  private static let taskBits = 24
  private static let loopBits = 39

  package init(workers: Int) {
    self.workers = workers
    taken = .allocate(capacity: workers * Self.stride)
    for place in 0..<workers * Self.stride { (taken + place).initialize(to: Atomic(0)) }
  }

  deinit {
    taken.deinitialize(count: workers * Self.stride)
    taken.deallocate()
  }

  /// Distributes tasks 0..<`count`. No worker may be taking tasks.
  package func deal(_ count: Int) {
    precondition(count < 1 << Self.taskBits, "\(count) tasks are more than can be counted")
    self.count = count
    loop = (loop + 1) & (1 << Self.loopBits - 1)
  }

  /// Runs tasks as `worker`, those of its own share first, until all have been taken.
  @inline(__always)
  package func run(as worker: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    for distance in 0..<workers {
      let share = worker + distance < workers ? worker + distance : worker + distance - workers
      while let task = take(of: share) { body(task, worker) }
    }
  }

  /// Whether the share of `worker` still has tasks.
  func hasOwn(_ worker: Int) -> Bool {
    tasksTaken(taken[worker * Self.stride].load(ordering: .relaxed)) < tasks(of: worker).count
  }

  private func take(of share: Int) -> Int? {
    let tasks = tasks(of: share)
    let place = taken + share * Self.stride
    var now = place.pointee.load(ordering: .relaxed)
    while true {
      let number = tasksTaken(now)
      guard number < tasks.count else { return nil }
      let (isMine, found) = place.pointee.weakCompareExchange(
        expected: now, desired: loop << Self.taskBits | (number + 1), ordering: .relaxed)
      if isMine { return tasks.lowerBound + number }
      now = found
    }
  }

  /// The number of tasks taken in this loop, from a share's packed state.
  private func tasksTaken(_ number: Int) -> Int {
    number >> Self.taskBits == loop ? number & (1 << Self.taskBits - 1) : 0
  }

  private func tasks(of share: Int) -> Range<Int> { share * count / workers..<(share + 1) * count / workers }
}
