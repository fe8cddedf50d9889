import Foundation
import Kernels

/// The thread that lets traffic go on while another one computes. It sleeps most of the time, and all of it while
/// nothing is under way.
///
/// `@unchecked Sendable`: `condition` guards what changes.
final class ProgressThread: @unchecked Sendable {
  private let condition = NSCondition()
  private var isWanted = false
  private var isEnding = false
  private var hasEnded = false

  /// Between two looks, in microseconds: less than the wire takes for what a socket's buffers hold.
  private static let pause = 500 as UInt32

  init(_ scheduler: TransferScheduler) {
    Thread.detachNewThread { [self] in
      // This thread alone: the computing one has the others.
      let own = ThreadPool(threadCount: 1)
      while waitUntilWanted() {
        scheduler.advanceBeside(own)
        usleep(Self.pause)
      }
      condition.withLock {
        hasEnded = true
        condition.broadcast()
      }
    }
  }

  /// Whether something is under way that nobody waits for.
  func set(isWanted: Bool) {
    condition.withLock {
      guard self.isWanted != isWanted else { return }
      self.isWanted = isWanted
      if isWanted { condition.broadcast() }
    }
  }

  /// Returns when the thread makes no more calls.
  func end() {
    condition.withLock {
      isEnding = true
      condition.broadcast()
      while !hasEnded { condition.wait() }
    }
  }

  /// false when the thread is to end.
  private func waitUntilWanted() -> Bool {
    condition.withLock {
      while !isWanted && !isEnding { condition.wait() }
      return !isEnding
    }
  }
}
