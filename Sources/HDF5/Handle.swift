import CHDF5

/// The owner of one identifier of libhdf5: checked when it is made, given back when the last user lets go.
final class Handle: Sendable {
  let id: hid_t
  let place: Place
  /// What must outlive this one: closing a file closes all that was opened in it.
  private let parent: Handle?

  /// Owns what `open` returns, a call of the libhdf5 function `function`.
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

  /// A property list of the class that `listClass` names.
  static func propertyList(_ place: Place, _ listClass: () -> hid_t) throws -> Handle {
    try Handle("H5Pcreate", place) { H5Pcreate(listClass()) }
  }

  /// A dataspace of fixed extents; of one element if there are none.
  static func space(_ place: Place, shape: [Int]) throws -> Handle {
    let extents = shape.map { hsize_t($0) }
    guard !shape.isEmpty else { return try Handle("H5Screate", place) { H5Screate(H5S_SCALAR) } }
    return try Handle("H5Screate_simple", place) { H5Screate_simple(Int32(extents.count), extents, nil) }
  }

  /// Of a dataspace: its extents.
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

  /// `extents` as a shape whose bytes can be counted; nil if they are more than an address space has.
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
