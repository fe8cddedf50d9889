/// What the thread of a rank that trains is at.
public enum Activity: UInt8, CaseIterable, Sendable {
  case preparing, reading, computing, gathering, exchanging, updating, recording, drawing, saving, finishing

  /// Whether other ranks may be what it waits for.
  var mayWait: Bool {
    switch self {
    case .reading, .computing, .recording: false
    case .preparing, .gathering, .exchanging, .updating, .drawing, .saving, .finishing: true
    }
  }

  /// Whether it consists of waiting for other ranks, or nearly so: then it says nothing of this rank that it neither
  /// computes nor reads.
  var onlyWaits: Bool {
    switch self {
    case .gathering, .exchanging, .updating, .finishing: true
    case .preparing, .reading, .computing, .recording, .drawing, .saving: false
    }
  }

  /// In a sentence, with the number of the step.
  func text(step: Int) -> String {
    switch self {
    case .preparing: "preparing the run"
    case .reading: "reading the images of step \(step)"
    case .computing: "computing the gradients of step \(step)"
    case .gathering: "awaiting the others' weights for step \(step)"
    case .exchanging: "summing the gradients of step \(step) with the others"
    case .updating: "updating the weights in step \(step)"
    case .recording: "recording the metrics of step \(step)"
    case .drawing: "drawing samples after step \(step)"
    case .saving: "saving the state after step \(step)"
    case .finishing: "ending the run after step \(step)"
    }
  }
}

/// What a rank says of itself.
package struct RankStatus: Equatable, Sendable {
  package var activity: Activity
  package var step: Int
  /// For how long, in seconds.
  package var seconds: Double
  /// For how long the process has neither computed nor read or written.
  package var idleSeconds: Double

  package init(_ activity: Activity, step: Int = 0, seconds: Double = 0, idleSeconds: Double = 0) {
    self.activity = activity
    self.step = step
    self.seconds = seconds
    self.idleSeconds = idleSeconds
  }

  var text: String { activity.text(step: step) }
}
