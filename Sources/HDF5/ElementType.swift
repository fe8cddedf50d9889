import CHDF5

/// What the elements of a dataset or attribute are, whatever their byte order in the file.
public enum ElementType: Sendable, Equatable, CustomStringConvertible {
  case float32, float64, uint8, int32, int64
  /// Text, of fixed or variable length.
  case string
  /// A type that this module does not read, in words.
  case other(String)

  public var description: String {
    switch self {
    case .float32: "float32"
    case .float64: "float64"
    case .uint8: "uint8"
    case .int32: "int32"
    case .int64: "int64"
    case .string: "string"
    case .other(let name): name
    }
  }
}

/// A Swift type whose values datasets and attributes hold.
public protocol HDF5Element: BitwiseCopyable, Sendable {
  static var elementType: ElementType { get }
}

extension Float: HDF5Element { public static var elementType: ElementType { .float32 } }
extension Double: HDF5Element { public static var elementType: ElementType { .float64 } }
extension UInt8: HDF5Element { public static var elementType: ElementType { .uint8 } }
extension Int32: HDF5Element { public static var elementType: ElementType { .int32 } }
extension Int64: HDF5Element { public static var elementType: ElementType { .int64 } }

extension ElementType {
  private static let numbers: [ElementType] = [.float32, .float64, .uint8, .int32, .int64]

  /// The library's type for elements in memory. Call it inside `Library.call`.
  var memoryType: hid_t {
    switch self {
    case .float32: get_H5T_NATIVE_FLOAT()
    case .float64: get_H5T_NATIVE_DOUBLE()
    case .uint8: get_H5T_NATIVE_UINT8()
    case .int32: get_H5T_NATIVE_INT32()
    case .int64: get_H5T_NATIVE_INT64()
    case .string, .other: preconditionFailure("\(self) has no memory type")
    }
  }

  /// The library's type for elements in files that we write: little-endian. Call it inside `Library.call`.
  var fileType: hid_t {
    switch self {
    case .float32: get_H5T_IEEE_F32LE()
    case .float64: get_H5T_IEEE_F64LE()
    case .uint8: get_H5T_STD_U8LE()
    case .int32: get_H5T_STD_I32LE()
    case .int64: get_H5T_STD_I64LE()
    case .string, .other: preconditionFailure("\(self) has no file type")
    }
  }

  private var bigEndianFileType: hid_t {
    switch self {
    case .float32: get_H5T_IEEE_F32BE()
    case .float64: get_H5T_IEEE_F64BE()
    case .uint8: get_H5T_STD_U8BE()
    case .int32: get_H5T_STD_I32BE()
    case .int64: get_H5T_STD_I64BE()
    case .string, .other: preconditionFailure("\(self) has no file type")
    }
  }

  /// The element type of a datatype found in a file, and whether memory holds its elements as the file does.
  static func of(_ type: Handle) throws -> (type: ElementType, isNative: Bool) {
    let place = type.place
    let typeClass = try Library.call("H5Tget_class", place, using: [type], failsIf: { $0 == H5T_NO_CLASS }) {
      H5Tget_class(type.id)
    }
    if typeClass == H5T_STRING { return (.string, false) }
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
