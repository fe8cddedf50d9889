import CHDF5

/// The element type of a dataset or attribute, regardless of byte order in the file.
public enum ElementType: Sendable, Equatable, CustomStringConvertible {
  /// IEEE 754 half, single and double precision.
  case float16, float32, float64
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  /// Text, of fixed or variable length.
  case string
  /// A description of a type that this module does not read.
  case other(String)

  public var description: String {
    switch self {
    case .float16: "float16"
    case .float32: "float32"
    case .float64: "float64"
    case .int8: "int8"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .uint16: "uint16"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .string: "string"
    case .other(let name): name
    }
  }

  /// The size of a number in memory in bytes; nil for other types.
  public var byteCount: Int? {
    switch self {
    case .int8, .uint8: 1
    case .float16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    case .string, .other: nil
    }
  }
}

/// A Swift type that can be stored in datasets and attributes.
public protocol HDF5Element: BitwiseCopyable, Sendable {
  static var elementType: ElementType { get }
}

extension Float16: HDF5Element { public static var elementType: ElementType { .float16 } }
extension Float: HDF5Element { public static var elementType: ElementType { .float32 } }
extension Double: HDF5Element { public static var elementType: ElementType { .float64 } }
extension Int8: HDF5Element { public static var elementType: ElementType { .int8 } }
extension Int16: HDF5Element { public static var elementType: ElementType { .int16 } }
extension Int32: HDF5Element { public static var elementType: ElementType { .int32 } }
extension Int64: HDF5Element { public static var elementType: ElementType { .int64 } }
extension UInt8: HDF5Element { public static var elementType: ElementType { .uint8 } }
extension UInt16: HDF5Element { public static var elementType: ElementType { .uint16 } }
extension UInt32: HDF5Element { public static var elementType: ElementType { .uint32 } }
extension UInt64: HDF5Element { public static var elementType: ElementType { .uint64 } }

extension ElementType {
  private static let numbers: [ElementType] = [
    .float32, .float64, .uint8, .int32, .int64, .float16, .int8, .int16, .uint16, .uint32, .uint64,
  ]

  /// The library's type for elements in memory. To be called inside `Library.call`.
  var memoryType: hid_t {
    switch self {
    case .float16: HalfPrecision.littleEndian
    case .float32: get_H5T_NATIVE_FLOAT()
    case .float64: get_H5T_NATIVE_DOUBLE()
    case .int8: get_H5T_NATIVE_INT8()
    case .int16: get_H5T_NATIVE_INT16()
    case .int32: get_H5T_NATIVE_INT32()
    case .int64: get_H5T_NATIVE_INT64()
    case .uint8: get_H5T_NATIVE_UINT8()
    case .uint16: get_H5T_NATIVE_UINT16()
    case .uint32: get_H5T_NATIVE_UINT32()
    case .uint64: get_H5T_NATIVE_UINT64()
    case .string, .other: preconditionFailure("\(self) has no memory type")
    }
  }

  /// The library's type for elements in files that we write: little-endian. To be called inside `Library.call`.
  var fileType: hid_t {
    switch self {
    case .float16: HalfPrecision.littleEndian
    case .float32: get_H5T_IEEE_F32LE()
    case .float64: get_H5T_IEEE_F64LE()
    case .int8: get_H5T_STD_I8LE()
    case .int16: get_H5T_STD_I16LE()
    case .int32: get_H5T_STD_I32LE()
    case .int64: get_H5T_STD_I64LE()
    case .uint8: get_H5T_STD_U8LE()
    case .uint16: get_H5T_STD_U16LE()
    case .uint32: get_H5T_STD_U32LE()
    case .uint64: get_H5T_STD_U64LE()
    case .string, .other: preconditionFailure("\(self) has no file type")
    }
  }

  private var bigEndianFileType: hid_t {
    switch self {
    case .float16: HalfPrecision.bigEndian
    case .float32: get_H5T_IEEE_F32BE()
    case .float64: get_H5T_IEEE_F64BE()
    case .int8: get_H5T_STD_I8BE()
    case .int16: get_H5T_STD_I16BE()
    case .int32: get_H5T_STD_I32BE()
    case .int64: get_H5T_STD_I64BE()
    case .uint8: get_H5T_STD_U8BE()
    case .uint16: get_H5T_STD_U16BE()
    case .uint32: get_H5T_STD_U32BE()
    case .uint64: get_H5T_STD_U64BE()
    case .string, .other: preconditionFailure("\(self) has no file type")
    }
  }

  /// The element type of a datatype found in a file, and whether its representation in memory is the same.
  static func of(_ type: Handle) throws -> (type: ElementType, isNative: Bool) {
    let place = type.place
    let typeClass = try Library.call("H5Tget_class", place, using: [type], failsIf: { $0 == H5T_NO_CLASS }) {
      H5Tget_class(type.id)
    }
    if typeClass == H5T_STRING {
      let isVariable = try Library.call("H5Tis_variable_str", place, using: [type]) {
        H5Tis_variable_str(type.id)
      }
      return (.string, isVariable == 0)
    }
    for candidate in numbers {
      let isNative = try Library.call("H5Tequal", place, using: [type]) {
        H5Tequal(type.id, candidate.memoryType)
      }
      if isNative > 0 { return (candidate, true) }
      let isSwapped = try Library.call("H5Tequal", place, using: [type]) {
        max(H5Tequal(type.id, candidate.bigEndianFileType), H5Tequal(type.id, candidate.fileType))
      }
      if isSwapped > 0 { return (candidate, false) }
    }
    let bytes = try Library.call("H5Tget_size", place, using: [type], failsIf: { $0 == 0 }) {
      H5Tget_size(type.id)
    }
    return (.other("\(name(of: typeClass)) of \(bytes) bytes"), false)
  }

  private static func name(of typeClass: H5T_class_t) -> String {
    switch typeClass {
    case H5T_INTEGER: "another integer"
    case H5T_FLOAT: "another floating-point number"
    case H5T_COMPOUND: "a compound"
    case H5T_ENUM: "an enumeration"
    case H5T_ARRAY: "an array"
    case H5T_VLEN: "a variable-length sequence"
    case H5T_OPAQUE: "opaque data"
    case H5T_REFERENCE: "a reference"
    default: "a type of class \(typeClass.rawValue)"
    }
  }
}

/// IEEE 754 binary16, for which version 1.10 of the library has no predefined type. Created once, inside
/// `Library.call`.
private enum HalfPrecision {
  static let littleEndian = make(H5T_ORDER_LE)
  static let bigEndian = make(H5T_ORDER_BE)

  /// 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. Returns a negative value, which the next call rejects, if
  /// out of memory.
  private static func make(_ order: H5T_order_t) -> hid_t {
    let type = H5Tcopy(get_H5T_IEEE_F32LE())
    // Fields first: they must fit before the type can shrink.
    guard H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0, H5Tset_size(type, 2) >= 0,
      H5Tset_ebias(type, 15) >= 0, H5Tset_order(type, order) >= 0
    else { return -1 }
    return type
  }
}
