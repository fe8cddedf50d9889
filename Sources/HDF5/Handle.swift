import CHDF5

/// The owner of a libhdf5 identifier: validated on creation, released with its last reference.
final class Handle: Sendable {
  let id: hid_t
  let place: Place
  /// The object that must outlive this one: closing a file closes everything opened in it.
  private let parent: Handle?

  /// Owns the identifier returned by `open`, which calls the libhdf5 function `function`.
  init(
    _ function: String, _ place: Place, parent: Handle? = nil, using handles: [Handle] = [],
    _ open: () -> hid_t
  )
    throws
  {
    id = try Library.call(function, place, using: handles + (parent.map { [$0] } ?? []), open)
    self.place = place
    self.parent = parent
  }

  deinit { Library.release(id) }

  /// A property list of the class returned by `listClass`.
  static func propertyList(_ place: Place, _ listClass: () -> hid_t) throws -> Handle {
    try Handle("H5Pcreate", place) { H5Pcreate(listClass()) }
  }

  /// A dataspace of fixed extents; scalar if there are none.
  static func space(_ place: Place, shape: [Int]) throws -> Handle {
    let extents = shape.map { hsize_t($0) }
    guard !shape.isEmpty else { return try Handle("H5Screate", place) { H5Screate(H5S_SCALAR) } }
    return try Handle("H5Screate_simple", place) { H5Screate_simple(Int32(extents.count), extents, nil) }
  }

  /// The extents of a dataspace.
  func extents() throws -> [Int] {
    let rank = try Library.call("H5Sget_simple_extent_ndims", place, using: [self]) {
      H5Sget_simple_extent_ndims(id)
    }
    var extents = [hsize_t](repeating: 0, count: Int(rank))
    try Library.call("H5Sget_simple_extent_dims", place, using: [self]) {
      H5Sget_simple_extent_dims(id, &extents, nil)
    }
    guard let shape = Self.shape(extents) else {
      throw HDF5Error(
        place, .mismatch(what: "shape", expected: "fewer than 2^63 bytes of elements", found: "\(extents)"))
    }
    return shape
  }

  /// `extents` as a shape whose size in bytes is representable; nil if it exceeds an address space.
  private static func shape(_ extents: [hsize_t]) -> [Int]? {
    var bytes = 8
    for extent in extents {
      guard let extent = Int(exactly: extent) else { return nil }
      let (product, overflow) = bytes.multipliedReportingOverflow(by: max(1, extent))
      if overflow { return nil }
      bytes = product
    }
    return extents.map { Int($0) }
  }
}
