internal import COpenMPI

/// The outcome of a receive.
public struct Status: Equatable, Sendable {
  /// The sender's rank.
  public let source: Int
  public let tag: Int
  /// The number of elements received.
  public let count: Int
}

extension Communicator {
  /// Sends `buffer` to `destination`; returns once the buffer may be reused.
  /// - Throws: `MPIError`.
  public func send<T: MPIDatatype>(_ buffer: UnsafeBufferPointer<T>, to destination: Int, tag: Int = 0) throws
  {
    for range in terminatedChunks(buffer.count, limit: chunkLimit) {
      let part = buffer.part(range)
      let code = MPI_Send(
        part.baseAddress, Int32(part.count), T.datatype.handle, rankArgument(destination), tagArgument(tag),
        handle)
      try check(code, "MPI_Send")
    }
  }

  /// Receives at most `buffer.count` elements.
  /// - Parameters:
  ///   - source: the sender; nil accepts a message from any rank.
  ///   - tag: the message's tag; nil accepts any.
  /// - Throws: `MPIError`, also if the message is longer than the buffer.
  @discardableResult
  public func receive<T: MPIDatatype>(
    into buffer: UnsafeMutableBufferPointer<T>, from source: Int?, tag: Int? = 0
  ) throws -> Status {
    var source = source.map(rankArgument) ?? MPI_ANY_SOURCE
    var tag = tag.map(tagArgument) ?? MPI_ANY_TAG
    var received = 0
    while true {
      let part = buffer.part(received..<min(received + chunkLimit, buffer.count))
      var status = MPI_Status()
      let code = MPI_Recv(
        part.baseAddress, Int32(part.count), T.datatype.handle, source, tag, handle, &status)
      try check(code, "MPI_Recv")
      let count = try elementCount(&status, T.self)
      received += count
      // The rest of a long message has the same sender and tag as its first chunk.
      (source, tag) = (status.MPI_SOURCE, status.MPI_TAG)
      if count < chunkLimit { return Status(source: Int(source), tag: Int(tag), count: received) }
    }
  }

  /// Sends one buffer and receives another without deadlock, whichever peer is ready first: two ranks, or a ring of
  /// them, can do this simultaneously. The buffers must not overlap.
  /// - Throws: `MPIError`.
  @discardableResult
  public func sendReceive<T: MPIDatatype>(
    _ sent: UnsafeBufferPointer<T>, to destination: Int, into buffer: UnsafeMutableBufferPointer<T>,
    from source: Int?, tag: Int = 0
  ) throws -> Status {
    precondition(!sent.overlaps(buffer), "the buffers of a sendReceive overlap")
    guard sent.count < chunkLimit, buffer.count < chunkLimit else {
      let sending = try immediateSend(sent, to: destination, tag: tag)
      let status = try receive(into: buffer, from: source, tag: tag)
      try sending.wait()
      return status
    }
    var status = MPI_Status()
    let code = MPI_Sendrecv(
      sent.baseAddress, Int32(sent.count), T.datatype.handle, rankArgument(destination), tagArgument(tag),
      buffer.baseAddress, Int32(buffer.count), T.datatype.handle, source.map(rankArgument) ?? MPI_ANY_SOURCE,
      tagArgument(tag), handle, &status)
    try check(code, "MPI_Sendrecv")
    let count = try elementCount(&status, T.self)
    return Status(source: Int(status.MPI_SOURCE), tag: Int(status.MPI_TAG), count: count)
  }

  /// Sends an array; see the other `send`.
  public func send<T: MPIDatatype>(_ values: [T], to destination: Int, tag: Int = 0) throws {
    try values.withUnsafeBufferPointer { try send($0, to: destination, tag: tag) }
  }

  /// Receives an array of at most `capacity` elements; see `receive(into:from:tag:)`.
  public func receive<T: MPIDatatype>(
    _ type: T.Type = T.self, upTo capacity: Int, from source: Int?, tag: Int? = 0
  ) throws -> (values: [T], status: Status) {
    var status = Status(source: 0, tag: 0, count: 0)
    let values = try [T](unsafeUninitializedCapacity: capacity) { buffer, count in
      let room = UnsafeMutableBufferPointer(rebasing: buffer[..<capacity])
      status = try receive(into: room, from: source, tag: tag)
      count = status.count
    }
    return (values, status)
  }
}

/// The number of elements of type `T` in a message.
func elementCount<T: MPIDatatype>(_ status: inout MPI_Status, _ type: T.Type) throws -> Int {
  var count: Int32 = 0
  try check(MPI_Get_count(&status, T.datatype.handle, &count), "MPI_Get_count")
  return Int(count)
}
