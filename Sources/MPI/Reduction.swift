internal import COpenMPI

/// An elementwise reduction over ranks. Only the operations that MPI defines for the element type are available.
public struct Reduction<Element: MPIDatatype> {
  let handle: MPI_Op

  /// Addition. MPI chooses the order, so the last bits of floating-point sums depend on world size and message size.
  public static var sum: Reduction { Reduction(handle: ompi_shim_sum()) }
  public static var min: Reduction { Reduction(handle: ompi_shim_min()) }
  public static var max: Reduction { Reduction(handle: ompi_shim_max()) }
}

extension Reduction where Element: FixedWidthInteger {
  /// Non-zero where every rank's element is non-zero, otherwise 0. (Usually 1, but a single rank's elements are
  /// unchanged.)
  public static var logicalAnd: Reduction { Reduction(handle: ompi_shim_logical_and()) }
  /// Non-zero where any rank's element is non-zero, otherwise 0. (Usually 1, but a single rank's elements are
  /// unchanged.)
  public static var logicalOr: Reduction { Reduction(handle: ompi_shim_logical_or()) }
  public static var bitwiseAnd: Reduction { Reduction(handle: ompi_shim_bitwise_and()) }
  public static var bitwiseOr: Reduction { Reduction(handle: ompi_shim_bitwise_or()) }
  public static var bitwiseXor: Reduction { Reduction(handle: ompi_shim_bitwise_xor()) }
}
