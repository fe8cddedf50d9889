internal import COpenMPI

extension Communicator {
  /// Starts sending `buffer`, which must not be modified until the request has completed. (`MPI_Isend`)
  /// - Throws: `MPIError`.
  public func immediateSend<T: MPIDatatype>(
    _ buffer: UnsafeBufferPointer<T>, to destination: Int, tag: Int = 0
  ) throws -> Request {
    let request = Request(
      self, "send of \(buffer.count) elements to rank \(destination), tag \(tag)", expectedCount: nil)
    for range in terminatedChunks(buffer.count, limit: chunkLimit) {
      let part = buffer.part(range)
      try request.start("MPI_Isend") {
        MPI_Isend(
          part.baseAddress, Int32(part.count), T.datatype.handle, rankArgument(destination), tagArgument(tag),
          handle, &$0)
      }
    }
    return request
  }

  /// Starts receiving exactly `buffer.count` elements into memory that must not be accessed until the request has
  /// completed. (`MPI_Irecv`)
  /// - Throws: `MPIError`. `Request.wait` throws `MessageLengthError` for a shorter message.
  public func immediateReceive<T: MPIDatatype>(
    into buffer: UnsafeMutableBufferPointer<T>, from source: Int, tag: Int = 0
  ) throws -> Request {
    let request = Request(
      self, "receive of \(buffer.count) elements from rank \(source), tag \(tag)",
      expectedCount: (buffer.count, { try elementCount(&$0, T.self) }))
    for range in terminatedChunks(buffer.count, limit: chunkLimit) {
      let part = buffer.part(range)
      try request.start("MPI_Irecv") {
        MPI_Irecv(
          part.baseAddress, Int32(part.count), T.datatype.handle, rankArgument(source), tagArgument(tag),
          handle,
          &$0)
      }
    }
    return request
  }

  /// Starts a barrier; the request completes once all ranks have started theirs. Collective. (`MPI_Ibarrier`)
  /// - Throws: `MPIError`.
  public func immediateBarrier() throws -> Request {
    let request = Request(self, "barrier", expectedCount: nil)
    try request.start("MPI_Ibarrier") { MPI_Ibarrier(handle, &$0) }
    return request
  }
}
