import Synchronization

/// Who takes which task of a parallel loop. Each worker has a share of tasks that follow each other, and takes those of
/// others when it has none left.
///
/// Loops that follow each other mostly cut the same images in the same order: so a worker finds in its own cache what
/// it has written itself.
///
/// `@unchecked Sendable`: what is no atomic is written while no worker takes tasks.
package final class TaskShares: @unchecked Sendable {
  private let workers: Int
  private var count = 0
  private var loop = 0
  /// Of each share: the number of the last loop in which somebody took a task of it, and how many were taken then.
  private let taken: UnsafeMutablePointer<Atomic<Int>>

  /// Apart by two lines of the cache, which processors fetch together.
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

  /// Deals out tasks 0..<`count`. Nobody may be taking any.
  package func deal(_ count: Int) {
    precondition(count < 1 << Self.taskBits, "\(count) tasks are more than can be counted")
    self.count = count
    loop = (loop + 1) & (1 << Self.loopBits - 1)
  }

  /// Runs tasks as `worker`, its own first, until all have been taken by somebody.
  @inline(__always)
  package func run(as worker: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    for distance in 0..<workers {
      let share = worker + distance < workers ? worker + distance : worker + distance - workers
      while let task = take(of: share) { body(task, worker) }
    }
  }

  /// Whether tasks of its own wait for `worker`.
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

  /// What a share's number says of this loop.
  private func tasksTaken(_ number: Int) -> Int {
    number >> Self.taskBits == loop ? number & (1 << Self.taskBits - 1) : 0
  }

  private func tasks(of share: Int) -> Range<Int> { share * count / workers..<(share + 1) * count / workers }
}
