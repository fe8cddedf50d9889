internal import COpenMPI

extension Communicator {
  /// Collects every rank's block in `result`, in rank order, on every rank. Collective.
  /// - Parameters:
  ///   - part: this rank's block, of the same length on every rank; must not overlap `result`.
  ///   - result: `size * part.count` elements.
  /// - Throws: `MPIError`.
  public func allGather<T: MPIDatatype>(
    _ part: UnsafeBufferPointer<T>, into result: UnsafeMutableBufferPointer<T>
  ) throws {
    try allGather(part, counts: [Int](repeating: part.count, count: size), into: result)
  }

  /// Completes `buffer` on every rank: it consists of `size` equal blocks in rank order, of which each rank has already
  /// written its own. Collective.
  /// - Parameter buffer: a multiple of `size` elements, the same number on every rank.
  /// - Throws: `MPIError`.
  public func allGather<T: MPIDatatype>(inPlace buffer: UnsafeMutableBufferPointer<T>) throws {
    precondition(buffer.count % size == 0, "\(buffer.count) elements are not \(size) equal blocks")
    try allGather(inPlace: buffer, counts: [Int](repeating: buffer.count / size, count: size))
  }

  /// Collects every rank's block in `result`, in rank order, on every rank; the block of rank r has `counts[r]`
  /// elements. Collective.
  /// - Parameters:
  ///   - part: this rank's `counts[rank]` elements; must not overlap `result`.
  ///   - counts: the same on every rank.
  /// - Throws: `MPIError`.
  public func allGather<T: MPIDatatype>(
    _ part: UnsafeBufferPointer<T>, counts: [Int], into result: UnsafeMutableBufferPointer<T>
  ) throws {
    let starts = blockStarts(counts, total: result.count, own: part.count)
    precondition(!part.overlaps(result), "the buffers of an all-gather overlap")
    _ = result.part(starts[rank]..<starts[rank + 1]).update(fromContentsOf: part)
    try allGather(inPlace: result, counts: counts)
  }

  /// Completes `buffer` on every rank: it consists of blocks of `counts[r]` elements in rank order, of which each rank
  /// has already written its own. Collective.
  /// - Parameter counts: the same on every rank.
  /// - Throws: `MPIError`.
  public func allGather<T: MPIDatatype>(
    inPlace buffer: UnsafeMutableBufferPointer<T>, counts: [Int]
  ) throws {
    precondition(counts.count == size, "\(counts.count) counts for \(size) ranks")
    let starts = blockStarts(counts, total: buffer.count, own: counts[rank])
    if buffer.count > chunkLimit {
      // A single MPI call counts the elements of all blocks, which are too many for a C int, so this goes block by
      // block.
      for root in 0..<size { try broadcast(buffer.part(starts[root]..<starts[root + 1]), root: root) }
    } else if counts.allSatisfy({ $0 == counts[0] }) {
      let code = MPI_Allgather(
        ompi_shim_in_place(), 0, T.datatype.handle, buffer.baseAddress, Int32(counts[0]), T.datatype.handle,
        handle)
      try check(code, "MPI_Allgather")
    } else {
      let code = MPI_Allgatherv(
        ompi_shim_in_place(), 0, T.datatype.handle, buffer.baseAddress, counts.map { Int32($0) },
        starts.map { Int32($0) }, T.datatype.handle, handle)
      try check(code, "MPI_Allgatherv")
    }
  }

  /// Every rank's `value`, in rank order. Collective.
  /// - Throws: `MPIError`.
  public func allGather<T: MPIDatatype>(_ value: T) throws -> [T] {
    var values = [T](repeating: value, count: size)
    try values.withUnsafeMutableBufferPointer { try allGather(inPlace: $0) }
    return values
  }

  /// Every rank's `values`, in rank order; they may differ in length. Collective.
  /// - Throws: `MPIError`.
  public func allGather<T: MPIDatatype>(_ values: [T]) throws -> [[T]] {
    let counts = try allGather(values.count)
    let starts = offsets(counts)
    let all = try [T](unsafeUninitializedCapacity: starts[size]) { buffer, initialized in
      let buffer = UnsafeMutableBufferPointer(rebasing: buffer[..<starts[size]])
      try values.withUnsafeBufferPointer { try allGather($0, counts: counts, into: buffer) }
      initialized = starts[size]
    }
    return blocks(of: all, at: starts)
  }

  /// Every rank's `string`, in rank order. Collective.
  /// - Throws: `MPIError`.
  public func allGather(_ string: String) throws -> [String] {
    try allGather(Array(string.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Collects every rank's block in the root's `result`, in rank order. Collective.
  /// - Parameters:
  ///   - part: this rank's block, of the same length on every rank; must not overlap `result`.
  ///   - result: `size * part.count` elements on the root; ignored elsewhere.
  /// - Throws: `MPIError`.
  public func gather<T: MPIDatatype>(
    _ part: UnsafeBufferPointer<T>, into result: UnsafeMutableBufferPointer<T>?, root: Int = 0
  ) throws {
    try gather(part, counts: [Int](repeating: part.count, count: size), into: result, root: root)
  }

  /// Collects every rank's block in the root's `result`, in rank order; the block of rank r has `counts[r]` elements.
  /// Collective.
  /// - Parameters:
  ///   - part: this rank's `counts[rank]` elements; must not overlap `result`.
  ///   - counts: the same on every rank.
  ///   - result: all elements, on the root; ignored elsewhere.
  /// - Throws: `MPIError`.
  public func gather<T: MPIDatatype>(
    _ part: UnsafeBufferPointer<T>, counts: [Int], into result: UnsafeMutableBufferPointer<T>?, root: Int = 0
  ) throws {
    let starts = blockStarts(
      counts, total: rank == root ? result?.count ?? 0 : counts.reduce(0, +), own: part.count)
    let result = rank == root ? result : nil
    if let result { precondition(!part.overlaps(result), "the buffers of a gather overlap") }
    if starts[size] <= chunkLimit {
      return try gatherv(
        part, into: result, counts: counts.map { Int32($0) }, starts: starts.map { Int32($0) }, root: root)
    }
    // A single MPI call counts the elements of all blocks, which are too many for a C int, so this goes block by block.
    // Each is a gather to which only one rank contributes, since point-to-point messages could be confused with the
    // caller's.
    let zeros = [Int32](repeating: 0, count: size)
    let nothing = UnsafeBufferPointer<T>(start: nil, count: 0)
    for (source, count) in counts.enumerated() {
      for range in chunks(count, limit: chunkLimit) {
        var oneCount = zeros
        oneCount[source] = Int32(range.count)
        let place = result?.part(starts[source] + range.lowerBound..<starts[source] + range.upperBound)
        try gatherv(
          rank == source ? part.part(range) : nothing, into: place, counts: oneCount, starts: zeros,
          root: root)
      }
    }
  }

  /// Every rank's `values`, in rank order, on the root; they may differ in length. Collective.
  /// - Returns: nil on the other ranks.
  /// - Throws: `MPIError`.
  public func gather<T: MPIDatatype>(_ values: [T], root: Int = 0) throws -> [[T]]? {
    let counts = try allGather(values.count)
    guard rank == root else {
      try values.withUnsafeBufferPointer { try gather($0, counts: counts, into: nil, root: root) }
      return nil
    }
    let starts = offsets(counts)
    let all = try [T](unsafeUninitializedCapacity: starts[size]) { buffer, initialized in
      let buffer = UnsafeMutableBufferPointer(rebasing: buffer[..<starts[size]])
      try values.withUnsafeBufferPointer { try gather($0, counts: counts, into: buffer, root: root) }
      initialized = starts[size]
    }
    return blocks(of: all, at: starts)
  }

  /// Every rank's `string`, in rank order, on the root. Collective.
  /// - Returns: nil on the other ranks.
  /// - Throws: `MPIError`.
  public func gather(_ string: String, root: Int = 0) throws -> [String]? {
    try gather(Array(string.utf8), root: root)?.map { String(decoding: $0, as: UTF8.self) }
  }

  private func gatherv<T: MPIDatatype>(
    _ part: UnsafeBufferPointer<T>, into result: UnsafeMutableBufferPointer<T>?, counts: [Int32],
    starts: [Int32], root: Int
  ) throws {
    let code = MPI_Gatherv(
      part.baseAddress, Int32(part.count), T.datatype.handle, result?.baseAddress, counts, starts,
      T.datatype.handle, rankArgument(root), handle)
    try check(code, "MPI_Gatherv")
  }
}
