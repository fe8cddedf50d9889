import Files
import Foundation
import Logging
import MPI
import Tensors

/// What each rank does in the first steps of a start, for a file.
public struct TrainingTrace {
  /// How many steps it shows.
  public static let steps = 20

  private let path: String
  private let firstStep: Int
  private let log: Logger
  /// nil when all has been written.
  private(set) var profile: Profile?
  private var stepStart = Profile.now

  /// Begins now, on all ranks: so their times have one axis, to within what a barrier takes. Collective.
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

  /// A step has ended; after enough of them, or the last, the file is written. One that cannot be written ends no
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
