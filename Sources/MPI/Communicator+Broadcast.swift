internal import COpenMPI

extension Communicator {
  /// Returns on each rank when all ranks have called it. Collective.
  /// - Throws: `MPIError`.
  public func barrier() throws {
    try check(MPI_Barrier(handle), "MPI_Barrier")
  }

  /// Copies the root's `buffer` into that of every rank, all of one length. Collective.
  /// - Throws: `MPIError`.
  public func broadcast<T: MPIDatatype>(_ buffer: UnsafeMutableBufferPointer<T>, root: Int = 0) throws {
    for range in chunks(buffer.count, limit: chunkLimit) {
      let part = buffer.part(range)
      let code = MPI_Bcast(
        part.baseAddress, Int32(part.count), T.datatype.handle, rankArgument(root), handle)
      try check(code, "MPI_Bcast")
    }
  }

  /// The root's `value`. Collective.
  /// - Throws: `MPIError`.
  public func broadcast<T: MPIDatatype>(_ value: T, root: Int = 0) throws -> T {
    var value = value
    try withUnsafeMutablePointer(to: &value) {
      try broadcast(UnsafeMutableBufferPointer(start: $0, count: 1), root: root)
    }
    return value
  }

  /// The root's `values`; the other ranks need not know their number, and may give any array. Collective.
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

  /// The root's `string`; the other ranks may give any. Collective.
  /// - Throws: `MPIError`.
  public func broadcast(_ string: String, root: Int = 0) throws -> String {
    String(decoding: try broadcast(Array(string.utf8), root: root), as: UTF8.self)
  }
}
