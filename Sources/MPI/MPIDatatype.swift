internal import COpenMPI

/// An element type that MPI can send and reduce. Only this module may add conformances.
public protocol MPIDatatype: BitwiseCopyable, Sendable {
  /// The corresponding MPI datatype.
  static var datatype: DatatypeHandle { get }
}

/// MPI's handle for an element type.
public struct DatatypeHandle {
  let handle: MPI_Datatype
}

extension Float: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_float()) }
}

extension Double: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_double()) }
}

extension Int32: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_int32()) }
}

extension Int64: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_int64()) }
}

/// Sent as 64 bits, the size of `Int` on every platform on which Open MPI clusters run.
extension Int: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_int64()) }
}

extension UInt8: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_uint8()) }
}

extension UInt16: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_uint16()) }
}

extension UInt32: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_uint32()) }
}

extension UInt64: MPIDatatype {
  public static var datatype: DatatypeHandle { DatatypeHandle(handle: ompi_shim_uint64()) }
}
