import CHDF5

/// An array of fixed shape in a file. May be read from any number of threads; the library serves them one at a time.
public struct Dataset: Sendable {
  let handle: Handle

  /// The extents, slowest varying first; empty for a scalar.
  public let shape: [Int]

  public let elementType: ElementType

  /// Whether elements have the same bit representation in the file as in memory.
  private let isNative: Bool

  /// The dataset's path in its file.
  public var path: String { handle.place.object ?? "/" }

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  public var attributes: Attributes { Attributes(owner: handle) }

  init(handle: Handle) throws {
    self.handle = handle
    let space = try Handle("H5Dget_space", handle.place, parent: handle) { H5Dget_space(handle.id) }
    let type = try Handle("H5Dget_type", handle.place, parent: handle) { H5Dget_type(handle.id) }
    shape = try space.extents()
    (elementType, isNative) = try ElementType.of(type)
  }

  /// The byte offset in the file at which all elements are stored contiguously, in order and in their native
  /// representation. Nil if they are not: chunked, compressed, in the other byte order, or never written.
  public func offset() throws -> Int? {
    guard isNative else { return nil }
    let (layout, creation) = try layout()
    let externalFiles = try Library.call("H5Pget_external_count", handle.place, using: [creation]) {
      H5Pget_external_count(creation.id)
    }
    guard layout == H5D_CONTIGUOUS, externalFiles == 0 else { return nil }
    // The function returns this value both on failure and if nothing has been written.
    let (offset, none) = try Library.call(
      "H5Dget_offset", handle.place, using: [handle], failsIf: { _ in false }
    ) {
      (H5Dget_offset(handle.id), get_HADDR_UNDEF())
    }
    return offset == none ? nil : Int(exactly: offset)
  }

  func layout() throws -> (class: H5D_layout_t, creation: Handle) {
    let creation = try Handle("H5Dget_create_plist", handle.place, parent: handle) {
      H5Dget_create_plist(handle.id)
    }
    let layout = try Library.call(
      "H5Pget_layout", handle.place, using: [creation], failsIf: { $0 == H5D_LAYOUT_ERROR }
    ) { H5Pget_layout(creation.id) }
    return (layout, creation)
  }
}

extension Group {
  /// Opens a dataset.
  ///
  /// - Throws: `HDF5Error`: `missing` if there is no dataset of that name.
  public func dataset(_ name: String) throws -> Dataset {
    let place = handle.place.appending(name)
    try requirePresence(of: name)
    let dataset = try Handle("H5Dopen2", place, parent: handle) {
      H5Dopen2(handle.id, name, hid_t(H5P_DEFAULT))
    }
    return try Dataset(handle: dataset)
  }

  /// How a dataset is stored in its file.
  public enum Layout: Sendable {
    /// Contiguous.
    case contiguous
    /// Contiguous, with space in the file allocated immediately, so that it can be written to without this library.
    case reserved
    /// Split into chunks of the given shape, which are compressed if `gzip` gives a level (1 fast to 9 small).
    case chunked([Int], gzip: Int? = nil)
  }

  /// Creates a little-endian dataset, and any missing parent groups. Elements never written are an error when the whole
  /// dataset is read, and read as 0 in blocks.
  ///
  /// - Throws: `HDF5Error` if something of that name exists, or the layout does not suit the shape.
  public func createDataset<Element: HDF5Element>(
    _ name: String, of element: Element.Type, shape: [Int], layout: Layout = .contiguous
  ) throws -> Dataset {
    try createDataset(name, of: Element.elementType, shape: shape, layout: layout)
  }

  /// Creates a dataset of numbers whose type is known only at run time.
  public func createDataset(
    _ name: String, of type: ElementType, shape: [Int], layout: Layout = .contiguous
  ) throws -> Dataset {
    precondition(type.byteCount != nil, "\(type) is no number")
    return try createDataset(name, shape: shape, layout: layout) { type.fileType }
  }

  /// - Parameter type: the type in the file; called inside `Library.call`.
  func createDataset(
    _ name: String, shape: [Int], layout: Layout, using handles: [Handle] = [], type: () -> hid_t
  ) throws -> Dataset {
    precondition(shape.allSatisfy { $0 >= 0 }, "shape \(shape) has negative extents")
    let place = handle.place.appending(name)
    let links = try Self.linkProperties(place)
    let space = try Handle.space(place, shape: shape)
    let creation = try Handle.propertyList(place, get_H5P_DATASET_CREATE)
    try Library.call("H5Pset_obj_track_times", place, using: [creation]) {
      H5Pset_obj_track_times(creation.id, false)
    }
    if case .reserved = layout {
      try Library.call("H5Pset_alloc_time", place, using: [creation]) {
        H5Pset_alloc_time(creation.id, H5D_ALLOC_TIME_EARLY)
      }
      try Library.call("H5Pset_fill_time", place, using: [creation]) {
        H5Pset_fill_time(creation.id, H5D_FILL_TIME_NEVER)
      }
    }
    if case .chunked(let chunk, let gzip) = layout {
      precondition(chunk.allSatisfy { $0 > 0 }, "chunk \(chunk) must have positive extents")
      let extents = chunk.map { hsize_t($0) }
      try Library.call("H5Pset_chunk", place, using: [creation]) {
        H5Pset_chunk(creation.id, Int32(extents.count), extents)
      }
      if let gzip {
        precondition((1...9).contains(gzip), "gzip level \(gzip) must be in 1...9")
        try Library.call("H5Pset_deflate", place, using: [creation]) {
          H5Pset_deflate(creation.id, UInt32(gzip))
        }
      }
    }
    let used = [links, space, creation] + handles
    let dataset = try Handle("H5Dcreate2", place, parent: handle, using: used) {
      H5Dcreate2(handle.id, name, type(), space.id, links.id, creation.id, hid_t(H5P_DEFAULT))
    }
    return try Dataset(handle: dataset)
  }
}
