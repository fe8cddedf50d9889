internal import COpenMPI

extension Communicator {
  /// Replaces every rank's `buffer` with their elementwise reduction; the buffers must have equal lengths. Collective.
  /// - Throws: `MPIError`.
  public func allReduce<T: MPIDatatype>(
    _ buffer: UnsafeMutableBufferPointer<T>, _ reduction: Reduction<T>
  ) throws {
    for range in chunks(buffer.count, limit: chunkLimit) {
      let part = buffer.part(range)
      let code = MPI_Allreduce(
        ompi_shim_in_place(), part.baseAddress, Int32(part.count), T.datatype.handle, reduction.handle, handle
      )
      try check(code, "MPI_Allreduce")
    }
  }

  /// Writes the elementwise reduction of every rank's `contribution` to `result` on every rank. All buffers must have
  /// equal lengths and must not overlap. Collective.
  /// - Throws: `MPIError`.
  public func allReduce<T: MPIDatatype>(
    _ contribution: UnsafeBufferPointer<T>, into result: UnsafeMutableBufferPointer<T>,
    _ reduction: Reduction<T>
  ) throws {
    precondition(
      contribution.count == result.count,
      "an all-reduce of \(contribution.count) elements into \(result.count)")
    precondition(!contribution.overlaps(result), "the buffers of an all-reduce overlap")
    for range in chunks(result.count, limit: chunkLimit) {
      let part = result.part(range)
      let code = MPI_Allreduce(
        contribution.part(range).baseAddress, part.baseAddress, Int32(part.count), T.datatype.handle,
        reduction.handle, handle)
      try check(code, "MPI_Allreduce")
    }
  }

  /// The elementwise reduction of every rank's `values`, which must have equal lengths. Collective.
  /// - Throws: `MPIError`.
  public func allReduce<T: MPIDatatype>(_ values: [T], _ reduction: Reduction<T>) throws -> [T] {
    var values = values
    try values.withUnsafeMutableBufferPointer { try allReduce($0, reduction) }
    return values
  }

  /// The reduction of every rank's `value`. Collective.
  /// - Throws: `MPIError`.
  public func allReduce<T: MPIDatatype>(_ value: T, _ reduction: Reduction<T>) throws -> T {
    var value = value
    try withUnsafeMutablePointer(to: &value) {
      try allReduce(UnsafeMutableBufferPointer(start: $0, count: 1), reduction)
    }
    return value
  }

  /// Whether `condition` holds on every rank. Collective.
  /// - Throws: `MPIError`.
  public func allHold(_ condition: Bool) throws -> Bool {
    try allReduce(condition ? 1 : 0 as UInt8, .min) != 0
  }

  /// Whether `condition` holds on any rank. Collective.
  /// - Throws: `MPIError`.
  public func anyHolds(_ condition: Bool) throws -> Bool {
    try allReduce(condition ? 1 : 0 as UInt8, .max) != 0
  }

  /// Reduces every rank's `contribution` elementwise and splits the result into `size` equal blocks, of which rank r
  /// receives the r-th. The buffers must not overlap. Collective.
  /// - Parameters:
  ///   - contribution: `size * result.count` elements.
  ///   - result: this rank's block, of the same length on every rank.
  /// - Throws: `MPIError`.
  public func reduceScatter<T: MPIDatatype>(
    _ contribution: UnsafeBufferPointer<T>, into result: UnsafeMutableBufferPointer<T>,
    _ reduction: Reduction<T>
  ) throws {
    guard contribution.count <= chunkLimit, contribution.count == size * result.count else {
      let counts = [Int](repeating: result.count, count: size)
      return try reduceScatter(contribution, counts: counts, into: result, reduction)
    }
    precondition(!contribution.overlaps(result), "the buffers of a reduce-scatter overlap")
    let code = MPI_Reduce_scatter_block(
      contribution.baseAddress, result.baseAddress, Int32(result.count), T.datatype.handle, reduction.handle,
      handle)
    try check(code, "MPI_Reduce_scatter_block")
  }

  /// Reduces every rank's `contribution` elementwise and splits the result into blocks in rank order, of which rank r
  /// receives `counts[r]` elements. The buffers must not overlap. Collective.
  /// - Parameters:
  ///   - counts: the same on every rank.
  ///   - result: this rank's `counts[rank]` elements.
  /// - Throws: `MPIError`.
  public func reduceScatter<T: MPIDatatype>(
    _ contribution: UnsafeBufferPointer<T>, counts: [Int], into result: UnsafeMutableBufferPointer<T>,
    _ reduction: Reduction<T>
  ) throws {
    let starts = blockStarts(counts, total: contribution.count, own: result.count)
    precondition(!contribution.overlaps(result), "the buffers of a reduce-scatter overlap")
    if contribution.count <= chunkLimit {
      let code = MPI_Reduce_scatter(
        contribution.baseAddress, result.baseAddress, counts.map { Int32($0) }, T.datatype.handle,
        reduction.handle, handle)
      return try check(code, "MPI_Reduce_scatter")
    }
    // A single MPI call counts the elements of all blocks, which are too many for a C int, so this goes block by block.
    for (root, count) in counts.enumerated() {
      for range in chunks(count, limit: chunkLimit) {
        let part = contribution.part(starts[root] + range.lowerBound..<starts[root] + range.upperBound)
        let code = MPI_Reduce(
          part.baseAddress, rank == root ? result.part(range).baseAddress : nil, Int32(part.count),
          T.datatype.handle, reduction.handle, Int32(root), handle)
        try check(code, "MPI_Reduce")
      }
    }
  }

  /// Checks `counts` against the lengths of the buffers, and returns the start of each block.
  func blockStarts(_ counts: [Int], total: Int, own: Int) -> [Int] {
    precondition(counts.count == size, "\(counts.count) counts for \(size) ranks")
    precondition(counts.allSatisfy { $0 >= 0 }, "counts \(counts) are not all 0 or more")
    precondition(
      counts[rank] == own, "rank \(rank) has a block of \(own) elements, its count is \(counts[rank])")
    let starts = offsets(counts)
    precondition(starts[size] == total, "counts \(counts) add up to \(starts[size]), the buffer has \(total)")
    return starts
  }
}
