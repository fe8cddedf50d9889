import Foundation
import Reporting
import Synchronization

/// Says at once what comes of a request to stop: it is heeded between two steps, and a step may take minutes.
final class StopAnnouncement: Sendable {
  private struct Place {
    var step = 0
    var begun = ContinuousClock.now
    /// Of the step before; nil for the first.
    var seconds: Double?
    var isDrawing = false
  }

  private let place = Mutex(Place())

  /// Seconds within which a launcher ends what it has told to stop.
  private static let launchersPatience = 2.0

  /// - Parameter rank: this process's; of those that their launcher tells of a stop together, rank 0 alone speaks.
  init(_ request: StopRequest, rank: Int, console: Console) {
    request.announce { [weak self, weak request] in
      // A launcher also tells its ranks to stop when one of them has failed, and ends them a moment later: of that the
      // one that failed has spoken.
      if request?.isFromParent == true { Thread.sleep(forTimeInterval: Self.launchersPatience) }
      guard let self, let reason = request?.reason, rank == 0 || request?.isFromParent == false else {
        return
      }
      console.print("oboro: \(reason): \(text)")
    }
  }

  /// Step number `step`, from 1, begins.
  func begin(step: Int) {
    place.withLock { place in
      let now = ContinuousClock.now
      if place.step > 0, !place.isDrawing { place.seconds = (now - place.begun) / .seconds(1) }
      place = Place(step: step, begun: now, seconds: place.seconds)
    }
  }

  /// Samples are being drawn, which can be given up at any time.
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
