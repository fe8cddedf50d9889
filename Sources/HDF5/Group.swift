import CHDF5

/// A group, the equivalent of a folder. Names may be paths, relative to the group or, with a leading "/", to the root.
public struct Group: Sendable {
  let handle: Handle

  /// The group's path in its file.
  public var path: String { handle.place.object ?? "/" }

  public var attributes: Attributes { Attributes(owner: handle) }

  /// Creates a group, and any missing parent groups.
  ///
  /// - Throws: `HDF5Error` if something of that name exists.
  @discardableResult
  public func createGroup(_ name: String) throws -> Group {
    let place = handle.place.appending(name)
    let links = try Self.linkProperties(place)
    let creation = try Handle.propertyList(place, get_H5P_GROUP_CREATE)
    try Library.call("H5Pset_obj_track_times", place, using: [creation]) {
      H5Pset_obj_track_times(creation.id, false)
    }
    let group = try Handle("H5Gcreate2", place, parent: handle, using: [links, creation]) {
      H5Gcreate2(handle.id, name, links.id, creation.id, hid_t(H5P_DEFAULT))
    }
    return Group(handle: group)
  }

  /// Opens a group.
  ///
  /// - Throws: `HDF5Error`: `missing` if there is no group of that name.
  public func group(_ name: String) throws -> Group {
    let place = handle.place.appending(name)
    try requirePresence(of: name)
    let group = try Handle("H5Gopen2", place, parent: handle) {
      H5Gopen2(handle.id, name, hid_t(H5P_DEFAULT))
    }
    return Group(handle: group)
  }

  /// The names of the groups and datasets in this group, sorted.
  public func children() throws -> [String] {
    var info = H5G_info_t()
    try Library.call("H5Gget_info", handle.place, using: [handle]) { H5Gget_info(handle.id, &info) }
    return try (0..<info.nlinks).map { index in
      func name(_ buffer: UnsafeMutablePointer<CChar>?, _ size: Int) throws -> Int {
        try Library.call("H5Lget_name_by_idx", handle.place, using: [handle]) {
          H5Lget_name_by_idx(
            handle.id, ".", H5_INDEX_NAME, H5_ITER_INC, index, buffer, size, hid_t(H5P_DEFAULT))
        }
      }
      var bytes = [CChar](repeating: 0, count: try name(nil, 0) + 1)
      let length = try bytes.withUnsafeMutableBufferPointer { try name($0.baseAddress, $0.count) }
      return String(decoding: bytes.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// Whether a group or dataset of this name exists.
  public func exists(_ name: String) throws -> Bool {
    // The library requires every intermediate group to exist, so each is checked in turn.
    var path = name.hasPrefix("/") ? "/" : ""
    for part in name.split(separator: "/") {
      path += part
      let found = try Library.call("H5Lexists", handle.place.appending(name), using: [handle]) {
        H5Lexists(handle.id, path, hid_t(H5P_DEFAULT))
      }
      if found == 0 { return false }
      path += "/"
    }
    return true
  }

  func requirePresence(of name: String) throws {
    guard try !exists(name) else { return }
    throw HDF5Error(handle.place.appending(name), .missing(present: Array(try children().prefix(20))))
  }

  /// Properties of a new link: missing parent groups are created, and its name is UTF-8.
  static func linkProperties(_ place: Place) throws -> Handle {
    let links = try Handle.propertyList(place, get_H5P_LINK_CREATE)
    try Library.call("H5Pset_create_intermediate_group", place, using: [links]) {
      H5Pset_create_intermediate_group(links.id, 1)
    }
    try Library.call("H5Pset_char_encoding", place, using: [links]) {
      H5Pset_char_encoding(links.id, H5T_CSET_UTF8)
    }
    return links
  }
}
