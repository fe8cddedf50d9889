import CHDF5

/// What an attribute holds, where nothing says what it must be.
public enum AttributeValue: Sendable, Equatable {
  case text(String)
  case texts([String])
  case number(Double)
  case numbers([Double])
}

extension Attributes {
  /// The names of all attributes, sorted.
  public func names() throws -> [String] {
    let info = try Library.call("H5Aget_num_attrs", owner.place, using: [owner]) { H5Aget_num_attrs(owner.id) }
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

  /// The value of an attribute, if it is text or numbers of at most one dimension; nil if it is something else.
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
      // The library converts: 64-bit integers lose bits beyond 2^53.
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
  /// For each dimension, the path of the dataset that gives its coordinates, as HDF5's dimension scales say
  /// (the attribute DIMENSION_LIST, "HDF5 Dimension Scale Specification"); nil where there is none.
  public func dimensionScales() throws -> [String?] {
    let name = "DIMENSION_LIST"
    let none = [String?](repeating: nil, count: shape.count)
    guard try attributes.exists(name) else { return none }
    let (attribute, type, space) = try attributes.open(name)
    let isVariable = try Library.call("H5Tget_class", attribute.place, using: [type], failsIf: { _ in false }) {
      H5Tget_class(type.id) == H5T_VLEN
    }
    guard isVariable, try attributes.checkedExtents(attribute, type, space) == [shape.count], !shape.isEmpty
    else { return none }
    // References to objects only: a reference to a region has another size.
    let base = try Handle("H5Tget_super", attribute.place) { H5Tget_super(type.id) }
    let isReference = try Library.call("H5Tequal", attribute.place, using: [base]) {
      H5Tequal(base.id, get_H5T_STD_REF_OBJ())
    }
    guard isReference > 0 else { return none }
    let memory = try Handle("H5Tvlen_create", attribute.place) { H5Tvlen_create(get_H5T_STD_REF_OBJ()) }
    var lists = [hvl_t](repeating: hvl_t(), count: shape.count)
    return try lists.withUnsafeMutableBufferPointer { lists in
      try Library.call("H5Aread", attribute.place, using: [attribute, memory]) {
        H5Aread(attribute.id, memory.id, lists.baseAddress)
      }
      defer {
        _ = try? Library.call("H5Dvlen_reclaim", attribute.place, using: [memory, space]) {
          H5Dvlen_reclaim(memory.id, space.id, hid_t(H5P_DEFAULT), lists.baseAddress)
        }
      }
      return try lists.map { list in
        guard list.len > 0, let reference = list.p else { return nil }
        let scale = try Handle("H5Rdereference2", attribute.place, parent: handle) {
          H5Rdereference2(handle.id, hid_t(H5P_DEFAULT), H5R_OBJECT, reference)
        }
        let length = try Library.call("H5Iget_name", attribute.place, using: [scale]) {
          H5Iget_name(scale.id, nil, 0)
        }
        guard length > 0 else { return nil }
        var bytes = [CChar](repeating: 0, count: length + 1)
        try bytes.withUnsafeMutableBufferPointer { bytes in
          _ = try Library.call("H5Iget_name", attribute.place, using: [scale]) {
            H5Iget_name(scale.id, bytes.baseAddress, bytes.count)
          }
        }
        return String(decoding: bytes.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      }
    }
  }
}
