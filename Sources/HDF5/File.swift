import CHDF5
import Foundation

/// An HDF5 file.
///
/// Files are reproducible: the same content gives the same bytes, since no times are recorded, and the format is that
/// of HDF5 1.10 whatever the library version. Objects of 4 KiB or more are aligned to 4 KiB, so that they can be
/// mapped. The library locks the file while it is open, unless HDF5_USE_FILE_LOCKING says otherwise.
///
/// Groups and datasets keep their file open; `close()` closes them all.
public struct File: Sendable {
  private let handle: Handle
  private let isWritable: Bool
  /// Whether the file is in memory, and hence not locked.
  private let isMemory: Bool

  /// The file's path, as given.
  public var path: String { handle.place.file }

  /// The root group.
  public var root: Group { Group(handle: handle) }

  /// Opens `path` for reading.
  ///
  /// - Throws: `HDF5Error` if the file cannot be opened, is not an HDF5 file, or is shorter than it should be.
  public init(opening path: String) throws {
    let place = Place(file: path)
    let access = try Self.accessProperties(place)
    handle = try Handle("H5Fopen", place, using: [access]) { H5Fopen(path, get_H5F_ACC_RDONLY(), access.id) }
    isWritable = false
    isMemory = false
  }

  /// Opens a file in memory without copying it; `bytes` must not be modified until it is closed.
  ///
  /// - Parameter path: the name to use in messages.
  /// - Throws: `HDF5Error` if the bytes are not an HDF5 file, or are fewer than they should be.
  public init(bytes: UnsafeMutableRawBufferPointer, path: String) throws {
    let place = Place(file: path)
    let access = try Self.accessProperties(place)
    try Library.call("H5Pset_fapl_core", place, using: [access]) {
      H5Pset_fapl_core(access.id, 1 << 16, false)
    }
    // Where the library would copy the bytes, it receives the same memory again, and it does not free it.
    var callbacks = H5FD_file_image_callbacks_t()
    callbacks.image_malloc = { _, _, bytes in bytes }
    callbacks.image_memcpy = { target, _, _, _, _ in target }
    callbacks.image_realloc = { _, _, _, _ in nil }
    callbacks.image_free = { _, _, _ in 0 }
    callbacks.udata_copy = { $0 }
    callbacks.udata_free = { _ in 0 }
    callbacks.udata = bytes.baseAddress
    try Library.call("H5Pset_file_image_callbacks", place, using: [access]) {
      H5Pset_file_image_callbacks(access.id, &callbacks)
    }
    try Library.call("H5Pset_file_image", place, using: [access]) {
      H5Pset_file_image(access.id, bytes.baseAddress, bytes.count)
    }
    // The library requires a name that no existing file has.
    let name = "/memory of process \(getpid())/\(path)"
    handle = try Handle("H5Fopen", place, using: [access]) { H5Fopen(name, get_H5F_ACC_RDONLY(), access.id) }
    isWritable = false
    isMemory = true
  }

  /// Creates `path` for writing.
  ///
  /// - Parameter exclusively: whether an existing file is an error, rather than being replaced.
  /// - Throws: `HDF5Error` if the file cannot be created.
  public init(creating path: String, exclusively: Bool = false) throws {
    let place = Place(file: path)
    let access = try Self.accessProperties(place)
    let creation = try Handle.propertyList(place, get_H5P_FILE_CREATE)
    try Library.call("H5Pset_obj_track_times", place, using: [creation]) {
      H5Pset_obj_track_times(creation.id, false)
    }
    handle = try Handle("H5Fcreate", place, using: [access, creation]) {
      H5Fcreate(path, exclusively ? get_H5F_ACC_EXCL() : get_H5F_ACC_TRUNC(), creation.id, access.id)
    }
    isWritable = true
    isMemory = false
  }

  /// Writes all buffered data and closes the file together with all objects opened in it, which must not be used
  /// afterwards. The data are only guaranteed to be in the file if this returns; a file released without it may be
  /// incomplete.
  ///
  /// - Throws: `HDF5Error` if something could not be written, or if the file is already closed.
  public func close() throws {
    if isWritable {
      try Library.call("H5Fflush", handle.place, using: [handle]) { H5Fflush(handle.id, H5F_SCOPE_LOCAL) }
    }
    // Closing the descriptor alone would keep the library's lock alive in a child process that another thread is just
    // starting, which shares our descriptors between fork and exec, and possibly longer.
    let locked = isMemory ? -1 : try duplicateDescriptor()
    defer {
      if locked >= 0 {
        flock(locked, LOCK_UN)
        Foundation.close(locked)
      }
    }
    try Library.call("H5Fclose", handle.place, using: [handle]) { H5Fclose(handle.id) }
  }

  /// A second descriptor of the open file, which shares the lock of the first; negative if the process has none left.
  private func duplicateDescriptor() throws -> Int32 {
    var descriptor: UnsafeMutableRawPointer?
    try Library.call("H5Fget_vfd_handle", handle.place, using: [handle]) {
      H5Fget_vfd_handle(handle.id, hid_t(H5P_DEFAULT), &descriptor)
    }
    return descriptor.map { fcntl($0.load(as: Int32.self), F_DUPFD_CLOEXEC, 0) } ?? -1
  }

  /// The number of open objects of this file, including the file itself: 1 if nothing else is open.
  package func openObjectCount() throws -> Int {
    let count = try Library.call("H5Fget_obj_count", handle.place, using: [handle]) {
      H5Fget_obj_count(handle.id, get_H5F_OBJ_ALL() | get_H5F_OBJ_LOCAL())
    }
    return Int(count)
  }

  /// The number of files, groups, datasets and attributes that the process has open.
  package static func openObjectCount() throws -> Int {
    let count = try Library.call("H5Fget_obj_count", Place(file: "(all files)")) {
      H5Fget_obj_count(hid_t(get_H5F_OBJ_ALL()), get_H5F_OBJ_ALL())
    }
    return Int(count)
  }

  private static func accessProperties(_ place: Place) throws -> Handle {
    let access = try Handle.propertyList(place, get_H5P_FILE_ACCESS)
    try Library.call("H5Pset_fclose_degree", place, using: [access]) {
      H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG)
    }
    try Library.call("H5Pset_libver_bounds", place, using: [access]) {
      H5Pset_libver_bounds(access.id, H5F_LIBVER_V110, H5F_LIBVER_V110)
    }
    let page: hsize_t = 4096
    try Library.call("H5Pset_alignment", place, using: [access]) { H5Pset_alignment(access.id, page, page) }
    return access
  }
}
