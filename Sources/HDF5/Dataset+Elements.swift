import CHDF5

extension Dataset {
  /// Reads all elements, in order.
  ///
  /// - Throws: `HDF5Error`: `mismatch` if the dataset holds another type, `unstored` if not all elements are in the
  ///   file.
  public func read<Element: HDF5Element>(as element: Element.Type = Element.self) throws -> [Element] {
    try requireType(Element.self)
    // Before memory is allocated for the elements.
    try requireStored()
    return try [Element](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      try read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initializedCount = count
    }
  }

  /// Reads all elements into `buffer`, whose size must match exactly.
  public func read<Element: HDF5Element>(into buffer: UnsafeMutableBufferPointer<Element>) throws {
    try requireType(Element.self)
    precondition(buffer.count == count, "\(path) has \(count) elements, the buffer \(buffer.count)")
    try Library.call("H5Dread", handle.place, using: [handle]) {
      H5Dread(
        handle.id, Element.elementType.memoryType, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT),
        buffer.baseAddress)
    }
  }

  /// Reads the block of `count` elements per dimension that starts at `offset`, in order, into `buffer`, whose size
  /// must match exactly.
  ///
  /// - Throws: `HDF5Error`: `mismatch` if the dataset holds another type, or if the block extends beyond it.
  public func read<Element: HDF5Element>(
    into buffer: UnsafeMutableBufferPointer<Element>, offset: [Int], count: [Int]
  ) throws {
    try requireType(Element.self)
    let (file, memory) = try selection(offset: offset, count: count, elements: buffer.count)
    try Library.call("H5Dread", handle.place, using: [handle, file, memory]) {
      H5Dread(
        handle.id, Element.elementType.memoryType, memory.id, file.id, hid_t(H5P_DEFAULT), buffer.baseAddress)
    }
  }

  /// Reads a block of numbers of any type, in their native representation, into `bytes`, whose size must match exactly.
  ///
  /// - Throws: `HDF5Error`: `mismatch` if the elements are not numbers, or if the block extends beyond the dataset.
  public func read(into bytes: UnsafeMutableRawBufferPointer, offset: [Int], count: [Int]) throws {
    guard let size = elementType.byteCount else {
      throw HDF5Error(
        handle.place, .mismatch(what: "element type", expected: "a number", found: "\(elementType)"))
    }
    let (file, memory) = try selection(offset: offset, count: count, elements: bytes.count / size)
    try Library.call("H5Dread", handle.place, using: [handle, file, memory]) {
      H5Dread(
        handle.id, elementType.memoryType, memory.id, file.id, hid_t(H5P_DEFAULT), bytes.baseAddress)
    }
  }

  /// Writes all elements.
  ///
  /// - Throws: `HDF5Error`: `mismatch` if the dataset holds another type. A disk error may only be reported when the
  ///   file is closed.
  public func write<Element: HDF5Element>(_ elements: [Element]) throws {
    try elements.withUnsafeBufferPointer { try write(from: $0) }
  }

  /// Writes all elements from `buffer`, whose size must match exactly.
  public func write<Element: HDF5Element>(from buffer: UnsafeBufferPointer<Element>) throws {
    try requireType(Element.self)
    precondition(buffer.count == count, "\(path) has \(count) elements, the buffer \(buffer.count)")
    try Library.call("H5Dwrite", handle.place, using: [handle]) {
      H5Dwrite(
        handle.id, Element.elementType.memoryType, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT),
        buffer.baseAddress)
    }
  }

  /// Writes numbers of any type, in their native representation, to the block of `count` elements per dimension that
  /// starts at `offset`.
  public func write(from bytes: UnsafeRawBufferPointer, offset: [Int], count: [Int]) throws {
    guard let size = elementType.byteCount else {
      throw HDF5Error(
        handle.place, .mismatch(what: "element type", expected: "a number", found: "\(elementType)"))
    }
    let (file, memory) = try selection(offset: offset, count: count, elements: bytes.count / size)
    try Library.call("H5Dwrite", handle.place, using: [handle, file, memory]) {
      H5Dwrite(
        handle.id, elementType.memoryType, memory.id, file.id, hid_t(H5P_DEFAULT), bytes.baseAddress)
    }
  }

  /// Writes `buffer` to the block of `count` elements per dimension that starts at `offset`.
  ///
  /// - Throws: `HDF5Error`: `mismatch` if the dataset holds another type, or if the block extends beyond it.
  public func write<Element: HDF5Element>(
    from buffer: UnsafeBufferPointer<Element>, offset: [Int], count: [Int]
  ) throws {
    try requireType(Element.self)
    let (file, memory) = try selection(offset: offset, count: count, elements: buffer.count)
    try Library.call("H5Dwrite", handle.place, using: [handle, file, memory]) {
      H5Dwrite(
        handle.id, Element.elementType.memoryType, memory.id, file.id, hid_t(H5P_DEFAULT), buffer.baseAddress)
    }
  }

  /// - Throws: `mismatch` unless the dataset has this shape.
  public func requireShape(_ expected: [Int]) throws {
    guard shape != expected else { return }
    throw HDF5Error(handle.place, .mismatch(what: "shape", expected: "\(expected)", found: "\(shape)"))
  }

  /// - Throws: `mismatch` unless the dataset holds elements of this type.
  public func requireType<Element: HDF5Element>(_ element: Element.Type) throws {
    try requireType(Element.elementType)
  }

  /// - Throws: `mismatch` unless the dataset holds elements of this type.
  public func requireType(_ expected: ElementType) throws {
    guard elementType != expected else { return }
    throw HDF5Error(
      handle.place, .mismatch(what: "element type", expected: "\(expected)", found: "\(elementType)"))
  }

  /// A block of the file, and a contiguous memory space for its elements.
  private func selection(offset: [Int], count: [Int], elements: Int) throws -> (file: Handle, memory: Handle)
  {
    precondition(
      offset.count == shape.count && count.count == shape.count && !shape.isEmpty,
      "offset \(offset) and count \(count) must have the dimensions of the shape \(shape)")
    precondition(
      offset.allSatisfy { $0 >= 0 } && count.allSatisfy { $0 >= 0 },
      "offset \(offset) and count \(count) must not be negative")
    let isInside = zip(shape, zip(offset, count)).allSatisfy { extent, part in
      part.0 <= extent && part.1 <= extent - part.0
    }
    guard isInside else {
      throw HDF5Error(
        handle.place,
        .mismatch(what: "shape", expected: "one that holds \(count) at \(offset)", found: "\(shape)"))
    }
    precondition(count.reduce(1, *) == elements, "\(count) elements at \(offset) need not \(elements)")

    let file = try Handle.space(handle.place, shape: shape)
    let start = offset.map { hsize_t($0) }
    let extents = count.map { hsize_t($0) }
    try Library.call("H5Sselect_hyperslab", handle.place, using: [file]) {
      H5Sselect_hyperslab(file.id, H5S_SELECT_SET, start, nil, extents, nil)
    }
    return (file, try Handle.space(handle.place, shape: [elements]))
  }
}
