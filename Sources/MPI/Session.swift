internal import COpenMPI
import Foundation

/// This process's use of MPI, from initialisation to finalisation. A process has one, once.
///
/// MPI is finalised by `finalize()`, or when the session and all its communicators are gone. Finalising waits for the
/// other ranks; code that may throw therefore belongs into `run`, which ends all ranks when one fails.
public final class Session: Sendable {
  private let library: Library
  /// All processes.
  public let world: Communicator
  /// What the library lets threads do: at least what was wanted.
  public let threadLevel: ThreadLevel
  /// What started this process; nil when no launcher did.
  public let launcher: Launcher?
  /// The host, as MPI names it.
  public let processorName: String

  /// Initialises MPI.
  /// - Parameters:
  ///   - threadLevel: what threads must be allowed to do.
  ///   - exitStatus: the exit status, 1...255, that an error asks for. It decides how `run` ends the ranks and is
  ///     agreed on in `Communicator.agree`.
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

  /// The MPI library's own words about itself, such as `Open MPI v4.1.4, ...`. Needs no session.
  public static var libraryVersion: String { Library.version }

  /// Ends the use of MPI. Waits for the other ranks to do so too. No communicator may be used afterwards.
  /// - Throws: `MPIError`.
  public func finalize() throws { try library.finalize() }

  /// Ends all processes of the world at once.
  /// - Parameter code: the exit status; one that a shell would take for success becomes 1.
  public func abort(code: Int32) -> Never { Self.abort(code: code) }

  static func abort(code: Int32) -> Never {
    let status = failureStatus(code)
    // MPI ends the process without flushing what has been printed.
    fflush(nil)
    if Library.state == .active { MPI_Abort(ompi_shim_comm_world(), status) }
    exit(status)
  }

  /// `code` as far as an exit status carries it, 1...255.
  static func failureStatus(_ code: Int32) -> Int32 {
    let status = code & 0xFF
    return status == 0 ? 1 : status
  }
}
