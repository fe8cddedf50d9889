import Foundation
import Reporting
import Synchronization

/// Reports the effect of a stop request at once, since it is acted on only between steps, and a step may take minutes.
final class StopAnnouncement: Sendable {
  private struct Place {
    var step = 0
    var begun = ContinuousClock.now
    /// Duration of the previous step; nil during the first.
    var seconds: Double?
    var isDrawing = false
  }

  private let place = Mutex(Place())

  /// Seconds within which a launcher kills ranks that it has told to stop.
  private static let launchersPatience = 2.0

  /// - Parameter rank: this process's rank; if the launcher signals all ranks, only rank 0 prints.
  init(_ request: StopRequest, rank: Int, console: Console) {
    request.announce { [weak self, weak request] in
      // A launcher also signals its ranks when one of them has failed, and kills them a moment later; in that case the
      // failed rank has already reported the error.
      if request?.isFromParent == true { Thread.sleep(forTimeInterval: Self.launchersPatience) }
      guard let self, let reason = request?.reason, rank == 0 || request?.isFromParent == false else {
        return
      }
      console.print("oboro: \(reason): \(text)")
    }
  }

  /// Marks the beginning of step number `step`, counted from 1.
  func begin(step: Int) {
    place.withLock { place in
      let now = ContinuousClock.now
      if place.step > 0, !place.isDrawing { place.seconds = (now - place.begun) / .seconds(1) }
      place = Place(step: step, begun: now, seconds: place.seconds)
    }
  }

  /// Marks the beginning of sampling, which can be abandoned at any time.
  func draw() { place.withLock { $0.isDrawing = true } }

  private var text: String {
    place.withLock { place in
      if place.step == 0 || place.isDrawing { return "stops, and what is not saved is" }
      let left = place.seconds.map { $0 - (ContinuousClock.now - place.begun) / .seconds(1) }
      let time = left.map { $0 < 1 ? "" : ", in about \(Int($0.rounded(.up))) s" } ?? ""
      return "saves a checkpoint and stops after step \(place.step)\(time); a second Ctrl-C stops at once"
    }
  }
}
