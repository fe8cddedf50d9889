import CHDF5

/// The value of an attribute whose type is not known in advance.
public enum AttributeValue: Sendable, Equatable {
  case text(String)
  case texts([String])
  case number(Double)
  case numbers([Double])
}

extension Attributes {
  /// The names of all attributes, sorted.
  public func names() throws -> [String] {
    let info = try Library.call("H5Aget_num_attrs", owner.place, using: [owner]) {
      H5Aget_num_attrs(owner.id)
    }
    return try (0..<hsize_t(max(0, info))).map { index in
      func name(_ buffer: UnsafeMutablePointer<CChar>?, _ size: Int) throws -> Int {
        try Library.call("H5Aget_name_by_idx", owner.place, using: [owner]) {
          H5Aget_name_by_idx(
            owner.id, ".", H5_INDEX_NAME, H5_ITER_INC, index, buffer, size, hid_t(H5P_DEFAULT))
        }
      }
      var bytes = [CChar](repeating: 0, count: try name(nil, 0) + 1)
      let length = try bytes.withUnsafeMutableBufferPointer { try name($0.baseAddress, $0.count) }
      return String(decoding: bytes.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// The value of an attribute if it is text or numbers with at most one dimension; otherwise nil.
  public func value(_ name: String) throws -> AttributeValue? {
    let (attribute, type, space) = try open(name)
    let found = try ElementType.of(type).type
    let shape = try checkedExtents(attribute, type, space)
    guard shape.count <= 1 else { return nil }
    switch found {
    case .other: return nil
    case .string:
      let texts = try readStrings(attribute, type, space, shape)
      return shape.isEmpty && texts.count == 1 ? .text(texts[0]) : .texts(texts)
    default:
      let count = shape.reduce(1, *)
      // The library converts the values: 64-bit integers lose precision beyond 2^53.
      let values = try [Double](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        guard count > 0 else { return }
        try Library.call("H5Aread", attribute.place, using: [attribute]) {
          H5Aread(attribute.id, ElementType.float64.memoryType, buffer.baseAddress)
        }
        initializedCount = count
      }
      return shape.isEmpty ? .number(values[0]) : .numbers(values)
    }
  }
}

extension Dataset {
  /// The datasets that use this dimension scale for their coordinates, with the path and dimension of each ("HDF5
  /// Dimension Scale Specification", REFERENCE_LIST). Their own attribute, DIMENSION_LIST, holds the same information,
  /// but is of variable length, for which the library reads from damaged files without bounds checks.
  ///
  /// - Throws: `HDF5Error`.
  public func scaledDimensions() throws -> [(path: String, dimension: Int)] {
    struct Entry {
      var reference: hobj_ref_t = 0
      var dimension: Int32 = 0
    }
    let name = "REFERENCE_LIST"
    guard try attributes.exists(name) else { return [] }
    let (attribute, type, space) = try attributes.open(name)
    let typeClass = try Library.call("H5Tget_class", attribute.place, using: [type], failsIf: { _ in false })
    {
      H5Tget_class(type.id)
    }
    let shape = try attributes.checkedExtents(attribute, type, space)
    guard typeClass == H5T_COMPOUND, shape.count == 1 else { return [] }
    let memory = try Handle("H5Tcreate", attribute.place) {
      H5Tcreate(H5T_COMPOUND, MemoryLayout<Entry>.stride)
    }
    try Library.call("H5Tinsert", attribute.place, using: [memory]) {
      min(
        H5Tinsert(memory.id, "dataset", 0, get_H5T_STD_REF_OBJ()),
        H5Tinsert(memory.id, "dimension", 8, ElementType.int32.memoryType))
    }
    var entries = [Entry](repeating: Entry(), count: shape[0])
    try entries.withUnsafeMutableBufferPointer { entries in
      _ = try Library.call("H5Aread", attribute.place, using: [attribute, memory]) {
        H5Aread(attribute.id, memory.id, entries.baseAddress)
      }
    }
    return try entries.map { entry in
      var reference = entry.reference
      let object = try Handle("H5Rdereference2", attribute.place, parent: handle) {
        H5Rdereference2(handle.id, hid_t(H5P_DEFAULT), H5R_OBJECT, &reference)
      }
      let length = try Library.call("H5Iget_name", attribute.place, using: [object]) {
        H5Iget_name(object.id, nil, 0)
      }
      var bytes = [CChar](repeating: 0, count: Int(length) + 1)
      try bytes.withUnsafeMutableBufferPointer { bytes in
        _ = try Library.call("H5Iget_name", attribute.place, using: [object]) {
          H5Iget_name(object.id, bytes.baseAddress, bytes.count)
        }
      }
      let path = String(decoding: bytes.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return (path, Int(entry.dimension))
    }
  }
}
