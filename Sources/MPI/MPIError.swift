internal import COpenMPI

/// The error thrown when an MPI function returns an error code.
public struct MPIError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The MPI function, such as `MPI_Send`.
  public let function: String
  /// The implementation's error code.
  public let code: Int32
  /// The error class defined by the standard, such as 6 for `MPI_ERR_RANK` in Open MPI.
  public let errorClass: Int32
  /// MPI's description (`MPI_Error_string`).
  public let message: String
  /// The rank in the world whose call failed; nil before initialisation and after finalisation.
  public let rank: Int?

  init(function: String, code: Int32) {
    self.function = function
    self.code = code
    var errorClass: Int32 = 0
    MPI_Error_class(code, &errorClass)
    self.errorClass = errorClass
    message = Library.string(capacity: MPI_MAX_ERROR_STRING) { MPI_Error_string(code, $0, $1) }
    rank = Library.state == .active ? Library.worldRank : nil
  }

  public var description: String {
    let place = rank.map { " on rank \($0)" } ?? ""
    return "\(function) failed\(place): \(message) (error code \(code), class \(errorClass))"
  }
}

/// Checks the return code of an MPI function; every MPI call goes through it.
///
/// - Throws: `MPIError` when `code` is not `MPI_SUCCESS`.
func check(_ code: Int32, _ function: String) throws {
  guard code == MPI_SUCCESS else { throw MPIError(function: function, code: code) }
}
