internal import COpenMPI

/// How the threads of a process may use MPI. Each level allows what those before it allow.
public enum ThreadLevel: Int, Comparable, Sendable, CaseIterable, CustomStringConvertible {
  /// The process has one thread.
  case single
  /// Only the thread that initialised MPI calls it.
  case funneled
  /// Any thread calls MPI, but never two at once.
  case serialized
  /// Any thread calls MPI at any time.
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

  /// MPI's constant. The standard orders the constants but leaves their values open.
  var constant: Int32 {
    switch self {
    case .single: Int32(MPI_THREAD_SINGLE)
    case .funneled: Int32(MPI_THREAD_FUNNELED)
    case .serialized: Int32(MPI_THREAD_SERIALIZED)
    case .multiple: Int32(MPI_THREAD_MULTIPLE)
    }
  }

  /// The highest level that MPI's constant `constant` allows.
  init(constant: Int32) {
    self = Self.allCases.last { $0.constant <= constant } ?? .single
  }

  /// - Throws: `SessionError.threadLevel` when `granted` allows less than this level.
  package func require(granted: ThreadLevel) throws {
    guard granted >= self else { throw SessionError.threadLevel(wanted: self, granted: granted) }
  }
}
