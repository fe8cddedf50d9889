import CHDF5

extension Dataset {
  /// Turns this one-dimensional dataset into a dimension scale (HDF5's "Dimension Scale Specification"), which netCDF
  /// readers such as xarray interpret as a dimension with coordinates.
  public func makeScale(named name: String) throws {
    precondition(shape.count == 1, "a dimension scale of the shape \(shape)")
    try writeTerminated("CLASS", "DIMENSION_SCALE")
    try writeTerminated("NAME", name)
  }

  /// Assigns a scale to each dimension.
  public func attach(_ scales: [Dataset]) throws {
    precondition(
      scales.map(\.count) == shape, "scales of \(scales.map(\.count)) elements for the shape \(shape)")
    let name = "DIMENSION_LIST"
    let place = Place(file: handle.place.file, object: "attribute \(name) of \(path)")
    let type = try Handle("H5Tvlen_create", place) { H5Tvlen_create(get_H5T_STD_REF_OBJ()) }
    let space = try Handle.space(place, shape: [scales.count])
    let attribute = try Handle("H5Acreate2", place, parent: handle, using: [type, space]) {
      H5Acreate2(handle.id, name, type.id, space.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
    }
    var references = [hobj_ref_t](repeating: 0, count: scales.count)
    for (index, scale) in scales.enumerated() {
      try Library.call("H5Rcreate", place, using: [handle, scale.handle]) {
        H5Rcreate(&references[index], scale.handle.id, ".", H5R_OBJECT, -1)
      }
    }
    // The library copies the references while writing.
    try references.withUnsafeMutableBufferPointer { references in
      let lists = references.indices.map { index in
        hvl_t(len: 1, p: UnsafeMutableRawPointer(references.baseAddress.map { $0 + index }))
      }
      try Library.call("H5Awrite", place, using: [attribute, type]) {
        H5Awrite(attribute.id, type.id, lists)
      }
    }
  }

  /// Adds a NUL-terminated text attribute, as required by the scale specification.
  private func writeTerminated(_ name: String, _ value: String) throws {
    let place = Place(file: handle.place.file, object: "attribute \(name) of \(path)")
    let bytes = Array(value.utf8) + [0]
    let type = try Handle("H5Tcopy", place) { H5Tcopy(get_H5T_C_S1()) }
    try Library.call("H5Tset_size", place, using: [type]) { H5Tset_size(type.id, bytes.count) }
    let space = try Handle.space(place, shape: [])
    let attribute = try Handle("H5Acreate2", place, parent: handle, using: [space, type]) {
      H5Acreate2(handle.id, name, type.id, space.id, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
    }
    try Library.call("H5Awrite", place, using: [attribute, type]) {
      H5Awrite(attribute.id, type.id, bytes)
    }
  }
}
