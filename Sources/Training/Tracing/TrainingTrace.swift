import Files
import Foundation
import Logging
import MPI
import Tensors

/// Records what each rank does in the first steps after a start, and writes it to a file.
public struct TrainingTrace {
  /// The number of steps recorded.
  public static let steps = 20

  private let path: String
  private let firstStep: Int
  private let log: Logger
  /// nil once the file has been written.
  private(set) var profile: Profile?
  private var stepStart = Profile.now

  /// Starts on all ranks at the same time, to within the skew of a barrier, so that their times share one axis.
  /// Collective.
  ///
  /// - Throws: `MPIError`.
  init(path: String, from step: Int, _ communicator: Communicator, _ log: Logger) throws {
    self.path = path
    self.log = log
    firstStep = step
    try communicator.barrier()
    profile = Profile()
    stepStart = Profile.now
  }

  /// Marks the end of a step, and writes the file after enough steps or the last one. Failure to write it does not end
  /// training. Collective.
  ///
  /// - Parameter step: its number, from 1.
  /// - Throws: `MPIError`.
  mutating func endStep(_ step: Int, isLast: Bool, _ communicator: Communicator) throws {
    guard let profile else { return }
    profile.add("step", kind: .group, start: stepStart)
    stepStart = Profile.now
    guard isLast || step - firstStep == Self.steps else { return }
    self.profile = nil
    guard let text = try StepTrace.text(profile, on: communicator) else { return }
    do {
      try WholeFile.write(Data(text.utf8), to: path)
    } catch {
      log.warning("trace not written", metadata: ["reason": "\(error)"])
    }
  }
}
