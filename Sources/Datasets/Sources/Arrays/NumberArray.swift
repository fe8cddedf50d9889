import HDF5

/// An array of numbers in a file from another program.
protocol NumberArray: AnyObject {
  /// The file, and the array in it, for error messages.
  var place: String { get }
  /// The array's name, or the file's if it has none.
  var name: String { get }
  /// The extents as stored in the file, slowest first.
  var shape: [Int] { get }
  /// Whether the source counts the dimensions in reverse order.
  var isReversed: Bool { get }
  var type: ElementType { get }
  /// The source's attributes.
  var attributes: [String: FieldAttribute] { get }
  /// Markers for missing values, in addition to NaN.
  var missingValues: [Double] { get }

  /// Reads the block of `count` elements in each dimension starting at `offset`, row-major and in native byte order.
  ///
  /// - Throws: `DatasetError` if they cannot be read, or are not stored in the file.
  func read(into bytes: UnsafeMutableRawBufferPointer, offset: [Int], count: [Int]) throws

  /// The coordinates along a dimension, with their name; nil if the file has none.
  func coordinates(axis: Int) throws -> (
    name: String, values: [Double], attributes: [String: FieldAttribute]
  )?
}

/// A file that holds arrays.
protocol ArrayContainer {
  var path: String { get }

  /// - Parameter name: nil for the image array, or the only one.
  /// - Throws: `DatasetError` listing the available arrays if there is none of that name.
  func array(_ name: String?) throws -> any NumberArray

  /// The label array of that name, or of the usual name; nil if there is none.
  func labels(_ name: String?) throws -> (any NumberArray)?

  /// The strings of a one-dimensional text array.
  func texts(_ name: String) throws -> [String]
}

extension ElementType {
  /// Element `index` of an array in memory. 64-bit integers beyond 2^53 are rounded.
  @inline(__always)
  func number(at index: Int, in bytes: UnsafeRawPointer) -> Double {
    func load<Element: BitwiseCopyable>(_: Element.Type) -> Element {
      bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self)
    }
    return switch self {
    case .float16: Double(load(Float16.self))
    case .float32: Double(load(Float.self))
    case .float64: load(Double.self)
    case .int8: Double(load(Int8.self))
    case .int16: Double(load(Int16.self))
    case .int32: Double(load(Int32.self))
    case .int64: Double(load(Int64.self))
    case .uint8: Double(load(UInt8.self))
    case .uint16: Double(load(UInt16.self))
    case .uint32: Double(load(UInt32.self))
    case .uint64: Double(load(UInt64.self))
    case .string, .other: preconditionFailure("\(self) is not numeric")
    }
  }

  var isFloatingPoint: Bool { [.float16, .float32, .float64].contains(self) }
}

extension FieldAttribute {
  init(_ value: AttributeValue) {
    self =
      switch value {
      case .text(let text): .text(text)
      case .texts(let texts): .texts(texts)
      case .number(let number): .number(number)
      case .numbers(let numbers): .numbers(numbers)
      }
  }

  /// Its numbers; empty for text.
  var numbers: [Double] {
    switch self {
    case .number(let number): [number]
    case .numbers(let numbers): numbers
    case .text, .texts: []
    }
  }
}
