internal import COpenMPI

/// How elements of several ranks become one. Only what MPI defines for the element type exists.
public struct Reduction<Element: MPIDatatype> {
  let handle: MPI_Op

  /// Sums. MPI chooses the order, so the last bits of floating-point sums depend on world size and message size.
  public static var sum: Reduction { Reduction(handle: ompi_shim_sum()) }
  public static var min: Reduction { Reduction(handle: ompi_shim_min()) }
  public static var max: Reduction { Reduction(handle: ompi_shim_max()) }
}

extension Reduction where Element: FixedWidthInteger {
  /// Other than 0 where every rank has an element other than 0, else 0. (Mostly 1, but a lone rank's are left alone.)
  public static var logicalAnd: Reduction { Reduction(handle: ompi_shim_logical_and()) }
  /// Other than 0 where any rank has an element other than 0, else 0. (Mostly 1, but a lone rank's are left alone.)
  public static var logicalOr: Reduction { Reduction(handle: ompi_shim_logical_or()) }
  public static var bitwiseAnd: Reduction { Reduction(handle: ompi_shim_bitwise_and()) }
  public static var bitwiseOr: Reduction { Reduction(handle: ompi_shim_bitwise_or()) }
  public static var bitwiseXor: Reduction { Reduction(handle: ompi_shim_bitwise_xor()) }
}
