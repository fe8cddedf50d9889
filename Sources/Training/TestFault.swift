import Foundation

/// A fault for tests to inject: OBORO_TEST_FAULT=KIND:RANK:STEP.
struct TestFault {
  enum Kind: String {
    /// Flips one bit of one weight on one rank before it computes the step.
    case flipWeight = "flip-weight"
    /// Makes the gradients of the rank's first micro-batch NaN in this step, and in all later ones if the step ends in
    /// +.
    case nanGradient = "nan-gradient"
    /// Reading the step's images never returns.
    case deadFileSystem = "dead-file-system"
  }

  private let kind: Kind
  private let rank: Int
  private let steps: ClosedRange<Int>

  /// nil if the variable is unset or does not describe a fault.
  init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
    let parts = environment["OBORO_TEST_FAULT"]?.split(separator: ":").map(String.init) ?? []
    guard parts.count == 3, let kind = Kind(rawValue: parts[0]), let rank = Int(parts[1]) else { return nil }
    guard let step = Int(parts[2].hasSuffix("+") ? String(parts[2].dropLast()) : parts[2]), step >= 0 else {
      return nil
    }
    self.kind = kind
    self.rank = rank
    steps = step...(parts[2].hasSuffix("+") ? Int.max : step)
  }

  /// Blocks as if images never arrived, if that is the fault.
  func hold(on rank: Int, step: Int) {
    if happens(.deadFileSystem, on: rank, step: step) { Thread.sleep(forTimeInterval: 3600) }
  }

  /// Whether the fault happens on `rank` in step number `step`, from 1.
  func happens(_ kind: Kind, on rank: Int, step: Int) -> Bool {
    self.kind == kind && self.rank == rank && steps.contains(step)
  }
}
