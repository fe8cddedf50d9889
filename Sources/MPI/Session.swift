internal import COpenMPI
import Foundation

/// The use of MPI by this process, from initialisation to finalisation. A process can have only one session.
///
/// MPI is finalised by `finalize()`, or when the session and all its communicators have been released. Finalisation
/// waits for the other ranks; code that may throw therefore belongs in `run`, which ends all ranks when one fails.
public final class Session: Sendable {
  private let library: Library
  /// The communicator of all processes.
  public let world: Communicator
  /// The thread support that the library provides: at least what was required.
  public let threadLevel: ThreadLevel
  /// The launcher of this process; nil if there is none.
  public let launcher: Launcher?
  /// The host, as reported by MPI.
  public let processorName: String

  /// Initialises MPI.
  /// - Parameters:
  ///   - threadLevel: the required thread support.
  ///   - exitStatus: maps an error to its exit status, 1...255. It determines the status with which `run` ends the
  ///     ranks, and the one agreed on in `Communicator.agree`.
  /// - Throws: `SessionError`, `MPIError`.
  public init(
    threadLevel: ThreadLevel = .multiple,
    exitStatus: @escaping @Sendable (any Error) -> Int32 = { _ in 1 }
  ) throws {
    launcher = Launcher.current
    library = try Library(threadLevel: threadLevel, exitStatus: exitStatus)
    world = try Communicator.world(library)
    self.threadLevel = try Library.threadLevel
    processorName = Library.processorName
    if let launcher, (launcher.processCount ?? 1) > 1, world.size == 1 {
      throw SessionError.separateWorlds(launcher: launcher)
    }
  }

  /// The MPI library's version string, such as `Open MPI v4.1.4, ...`. Does not require a session.
  public static var libraryVersion: String { Library.version }

  /// Finalises MPI, waiting for the other ranks to do so too. No communicator may be used afterwards.
  /// - Throws: `MPIError`.
  public func finalize() throws { try library.finalize() }

  /// Terminates all processes of the world immediately.
  /// - Parameter code: the exit status; one that a shell would interpret as success becomes 1.
  public func abort(code: Int32) -> Never { Self.abort(code: code) }

  static func abort(code: Int32) -> Never {
    let status = failureStatus(code)
    // MPI ends the process without flushing buffered output.
    fflush(nil)
    if Library.state == .active { MPI_Abort(ompi_shim_comm_world(), status) }
    exit(status)
  }

  /// `code` reduced to a non-zero exit status, 1...255.
  static func failureStatus(_ code: Int32) -> Int32 {
    let status = code & 0xFF
    return status == 0 ? 1 : status
  }
}
