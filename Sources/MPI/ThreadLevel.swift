internal import COpenMPI

/// How the threads of a process may use MPI. Each level includes those before it.
public enum ThreadLevel: Int, Comparable, Sendable, CaseIterable, CustomStringConvertible {
  /// The process has only one thread.
  case single
  /// Only the thread that initialised MPI calls it.
  case funneled
  /// Any thread may call MPI, but only one at a time.
  case serialized
  /// Any thread may call MPI at any time.
  case multiple

  public static func < (a: ThreadLevel, b: ThreadLevel) -> Bool { a.rawValue < b.rawValue }

  public var description: String {
    switch self {
    case .single: "MPI_THREAD_SINGLE"
    case .funneled: "MPI_THREAD_FUNNELED"
    case .serialized: "MPI_THREAD_SERIALIZED"
    case .multiple: "MPI_THREAD_MULTIPLE"
    }
  }

  /// The corresponding MPI constant. The standard defines their order but not their values.
  var constant: Int32 {
    switch self {
    case .single: Int32(MPI_THREAD_SINGLE)
    case .funneled: Int32(MPI_THREAD_FUNNELED)
    case .serialized: Int32(MPI_THREAD_SERIALIZED)
    case .multiple: Int32(MPI_THREAD_MULTIPLE)
    }
  }

  /// The highest level covered by MPI's `constant`.
  init(constant: Int32) {
    self = Self.allCases.last { $0.constant <= constant } ?? .single
  }

  /// - Throws: `SessionError.threadLevel` if `granted` is lower than this level.
  package func require(granted: ThreadLevel) throws {
    guard granted >= self else { throw SessionError.threadLevel(wanted: self, granted: granted) }
  }
}
