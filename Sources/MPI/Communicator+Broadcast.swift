internal import COpenMPI

extension Communicator {
  /// Blocks until all ranks have called it. Collective.
  /// - Throws: `MPIError`.
  public func barrier() throws {
    try check(MPI_Barrier(handle), "MPI_Barrier")
  }

  /// Copies the root's `buffer` to every rank; the buffers must have equal lengths. Collective.
  /// - Throws: `MPIError`.
  public func broadcast<T: MPIDatatype>(_ buffer: UnsafeMutableBufferPointer<T>, root: Int = 0) throws {
    for range in chunks(buffer.count, limit: chunkLimit) {
      let part = buffer.part(range)
      let code = MPI_Bcast(
        part.baseAddress, Int32(part.count), T.datatype.handle, rankArgument(root), handle)
      try check(code, "MPI_Bcast")
    }
  }

  /// Returns the root's `value` on every rank. Collective.
  /// - Throws: `MPIError`.
  public func broadcast<T: MPIDatatype>(_ value: T, root: Int = 0) throws -> T {
    var value = value
    try withUnsafeMutablePointer(to: &value) {
      try broadcast(UnsafeMutableBufferPointer(start: $0, count: 1), root: root)
    }
    return value
  }

  /// Returns the root's `values` on every rank; the others need not know their number and may pass any array.
  /// Collective.
  /// - Throws: `MPIError`.
  public func broadcast<T: MPIDatatype>(_ values: [T], root: Int = 0) throws -> [T] {
    let count = try broadcast(values.count, root: root)
    return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      let buffer = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
      if rank == root { _ = buffer.initialize(from: values) }
      try broadcast(buffer, root: root)
      initialized = count
    }
  }

  /// Returns the root's `string` on every rank; the others may pass any string. Collective.
  /// - Throws: `MPIError`.
  public func broadcast(_ string: String, root: Int = 0) throws -> String {
    String(decoding: try broadcast(Array(string.utf8), root: root), as: UTF8.self)
  }
}
