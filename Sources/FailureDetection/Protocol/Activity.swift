/// The phase that a rank's training thread is in.
public enum Activity: UInt8, CaseIterable, Sendable {
  case preparing, reading, computing, gathering, exchanging, updating, recording, validating, drawing, saving,
    finishing

  /// Whether the phase contains collective calls, so that the rank may be waiting for others.
  var mayWait: Bool {
    switch self {
    case .reading, .computing, .recording: false
    case .preparing, .gathering, .exchanging, .updating, .validating, .drawing, .saving, .finishing: true
    }
  }

  /// Whether the phase consists almost entirely of waiting for other ranks, so that a long stay in it, without
  /// computation or I/O, is no evidence against this rank.
  var onlyWaits: Bool {
    switch self {
    case .gathering, .exchanging, .updating, .finishing: true
    case .preparing, .reading, .computing, .recording, .validating, .drawing, .saving: false
    }
  }

  /// A phrase for messages, with the number of the step.
  func text(step: Int) -> String {
    switch self {
    case .preparing: "preparing the run"
    case .reading: "reading the images of step \(step)"
    case .computing: "computing the gradients of step \(step)"
    case .gathering: "awaiting the others' weights for step \(step)"
    case .exchanging: "summing the gradients of step \(step) with the others"
    case .updating: "updating the weights in step \(step)"
    case .recording: "recording the metrics of step \(step)"
    case .validating: "computing the validation loss after step \(step)"
    case .drawing: "drawing samples after step \(step)"
    case .saving: "saving the state after step \(step)"
    case .finishing: "ending the run after step \(step)"
    }
  }
}
