import CHDF5

/// Bytes in memory that the library reads as a file, where they lie: it copies none of them, and frees none.
///
/// A path of the memory, such as `/proc/self/fd/N`, does not do: the library resolves links (`H5F__build_actual_name`),
/// and what has no name does not exist.
enum FileImage {
  /// Lets `access` open `bytes` in place of a file.
  ///
  /// - Returns: the name to open it by. The library wants one that no file has, and takes files of one name for one file.
  static func set(_ bytes: UnsafeMutableRawBufferPointer, in access: Handle, _ place: Place) throws -> String
  {
    try Library.call("H5Pset_fapl_core", place, using: [access]) {
      H5Pset_fapl_core(access.id, 1 << 20, false)
    }
    var callbacks = H5FD_file_image_callbacks_t()
    // "Copies" are the bytes themselves, so that copying and freeing are nothing to do.
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
    return "/dev/null/\(UInt(bitPattern: bytes.baseAddress))"
  }
}
