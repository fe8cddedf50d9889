import CHDF5

/// The attributes of a group or a dataset: small named values.
public struct Attributes: Sendable {
  let owner: Handle

  /// Whether an attribute of this name exists.
  public func exists(_ name: String) throws -> Bool {
    try Library.call("H5Aexists", place(name), using: [owner]) { H5Aexists(owner.id, name) } > 0
  }

  /// Adds a scalar attribute.
  ///
  /// - Throws: `HDF5Error` if an attribute of that name exists.
  public func write<Element: HDF5Element>(_ name: String, _ value: Element) throws {
    try write(name, [value], shape: [])
  }

  /// Adds a one-dimensional attribute.
  public func write<Element: HDF5Element>(_ name: String, _ values: [Element]) throws {
    try write(name, values, shape: [values.count])
  }

  /// Adds a text attribute.
  public func write(_ name: String, _ value: String) throws { try write(name, [value], shape: []) }

  /// Adds a one-dimensional text attribute.
  public func write(_ name: String, _ values: [String]) throws {
    try write(name, values, shape: [values.count])
  }

  /// Reads a scalar attribute.
  ///
  /// - Throws: `HDF5Error`: `missing` if there is no such attribute, `mismatch` if it has another type or shape.
  public func read<Element: HDF5Element>(_ name: String, as element: Element.Type = Element.self) throws
    -> Element
  {
    let (values, shape) = try elements(name, as: Element.self)
    guard let value = values.first, values.count == 1 else {
      throw mismatch(name, "shape", expected: "one element", found: "\(shape)")
    }
    return value
  }

  /// Reads a one-dimensional attribute.
  public func readArray<Element: HDF5Element>(
    _ name: String, as element: Element.Type = Element.self
  ) throws -> [Element] {
    let (values, shape) = try elements(name, as: Element.self)
    guard shape.count == 1 else {
      throw mismatch(name, "shape", expected: "one dimension", found: "\(shape)")
    }
    return values
  }

  /// Reads a text attribute.
  public func readString(_ name: String) throws -> String {
    let (values, shape) = try strings(name)
    guard let value = values.first, values.count == 1 else {
      throw mismatch(name, "shape", expected: "one element", found: "\(shape)")
    }
    return value
  }

  /// Reads a one-dimensional text attribute.
  public func readStrings(_ name: String) throws -> [String] {
    let (values, shape) = try strings(name)
    guard shape.count == 1 else {
      throw mismatch(name, "shape", expected: "one dimension", found: "\(shape)")
    }
    return values
  }
}

extension Attributes {
  private func place(_ name: String) -> Place {
    Place(file: owner.place.file, object: "attribute \(name) of \(owner.place.object ?? "/")")
  }

  private func mismatch(_ name: String, _ what: String, expected: String, found: String) -> HDF5Error {
    HDF5Error(place(name), .mismatch(what: what, expected: expected, found: found))
  }

  private func write<Element: HDF5Element>(_ name: String, _ values: [Element], shape: [Int]) throws {
    let place = place(name)
    let space = try Handle.space(place, shape: shape)
    let attribute = try Handle("H5Acreate2", place, parent: owner, using: [space]) {
      H5Acreate2(
        owner.id, name, Element.elementType.fileType, space.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
    }
    try Library.call("H5Awrite", place, using: [attribute]) {
      H5Awrite(attribute.id, Element.elementType.memoryType, values)
    }
  }

  private func write(_ name: String, _ values: [String], shape: [Int]) throws {
    let place = place(name)
    let text = try FixedText(values, place)
    let space = try Handle.space(place, shape: shape)
    let attribute = try Handle("H5Acreate2", place, parent: owner, using: [space, text.type]) {
      H5Acreate2(owner.id, name, text.type.id, space.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
    }
    try Library.call("H5Awrite", place, using: [attribute, text.type]) {
      H5Awrite(attribute.id, text.type.id, text.bytes)
    }
  }

  func open(_ name: String) throws -> (attribute: Handle, type: Handle, space: Handle) {
    let place = place(name)
    guard try exists(name) else { throw HDF5Error(place, .missing(present: [])) }
    let attribute = try Handle("H5Aopen", place, parent: owner) {
      H5Aopen(owner.id, name, hid_t(H5P_DEFAULT))
    }
    let type = try Handle("H5Aget_type", place, parent: attribute) { H5Aget_type(attribute.id) }
    let space = try Handle("H5Aget_space", place, parent: attribute) { H5Aget_space(attribute.id) }
    return (attribute, type, space)
  }

  private func elements<Element: HDF5Element>(
    _ name: String, as element: Element.Type
  ) throws -> (values: [Element], shape: [Int]) {
    let (attribute, type, space) = try open(name)
    let found = try ElementType.of(type).type
    guard found == Element.elementType else {
      throw mismatch(name, "element type", expected: "\(Element.elementType)", found: "\(found)")
    }
    let shape = try checkedExtents(attribute, type, space)
    let count = shape.reduce(1, *)
    let values = try [Element](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      try Library.call("H5Aread", attribute.place, using: [attribute]) {
        H5Aread(attribute.id, Element.elementType.memoryType, buffer.baseAddress)
      }
      initializedCount = count
    }
    return (values, shape)
  }

  private func strings(_ name: String) throws -> (values: [String], shape: [Int]) {
    let (attribute, type, space) = try open(name)
    let found = try ElementType.of(type).type
    guard found == .string else {
      throw mismatch(name, "element type", expected: "string", found: "\(found)")
    }
    let shape = try checkedExtents(attribute, type, space)
    return (try readStrings(attribute, type, space, shape), shape)
  }

  func readStrings(
    _ attribute: Handle, _ type: Handle, _ space: Handle, _ shape: [Int]
  ) throws -> [String] {
    try readText(
      "H5Aread", attribute.place, count: shape.reduce(1, *), type: type, space: space, using: [attribute]
    ) { memoryType, buffer in H5Aread(attribute.id, memoryType, buffer) }
  }

  /// A generous limit; larger sizes come from a damaged header.
  private static let byteLimit = 64 << 20

  /// The extents of an attribute, after checking that its elements fit in memory.
  func checkedExtents(_ attribute: Handle, _ type: Handle, _ space: Handle) throws -> [Int] {
    let shape = try space.extents()
    let size = try Library.call("H5Tget_size", attribute.place, using: [type], failsIf: { $0 == 0 }) {
      H5Tget_size(type.id)
    }
    let (bytes, overflow) = shape.reduce(1, *).multipliedReportingOverflow(by: max(size, 8))
    guard !overflow, bytes <= Self.byteLimit else {
      throw HDF5Error(
        attribute.place,
        .mismatch(
          what: "size", expected: "at most \(Self.byteLimit) bytes", found: "\(shape) of \(size) bytes"))
    }
    return shape
  }
}
