import Foundation
import MPI

/// Blocking messages.
func checkMessages(_ context: Context) throws {
  try context.atChunkLimits {
    try checkRing($0)
    try checkAnySource($0)
  }
}

/// Every rank sends to the next.
private func checkRing(_ world: Communicator) throws {
  let next = (world.rank + 1) % world.size
  let previous = (world.rank + world.size - 1) % world.size
  for count in [0, 1, 6, 7, 8, 14, 23] {
    try checkExchange(world, Float.self, count, next, previous)
    try checkExchange(world, UInt8.self, count, next, previous)
    try checkExchange(world, Int.self, count, next, previous)
    // Lengths that differ: a rank has more chunks to send than to receive, or fewer.
    try checkExchange(world, Double.self, count * (world.rank % 3), next, previous, count * (previous % 3))
  }
}

/// Rank 0 receives from whoever comes first; the rest of each message must be its sender's.
private func checkAnySource(_ world: Communicator) throws {
  for count in [0, 1, 6, 7, 8, 14, 23] {
    if world.rank == 0 {
      var sources: Set<Int> = []
      for _ in 1..<world.size {
        let (values, status) = try world.receive(Int32.self, upTo: 30, from: nil, tag: nil)
        try expect([status.tag, status.count], equals: [40 + status.source, count], "tag, count")
        try expect(values, equals: pattern(rank: status.source, count: count), "message of \(count)")
        sources.insert(status.source)
      }
      try expect(sources, equals: Set(1..<world.size))
    } else {
      try world.send(pattern(Int32.self, rank: world.rank, count: count), to: 0, tag: 40 + world.rank)
    }
    try world.barrier()
  }
}

private func checkExchange<T: TestElement>(
  _ world: Communicator, _ type: T.Type, _ count: Int, _ next: Int, _ previous: Int,
  _ expectedCount: Int? = nil
) throws {
  let expectedCount = expectedCount ?? count
  let own: [T] = pattern(rank: world.rank, count: count)
  // One element of room too many shows where the message ends.
  var result = [T](repeating: 99, count: expectedCount + 1)
  let status = try own.withUnsafeBufferPointer { own in
    try result.withUnsafeMutableBufferPointer {
      try world.sendReceive(own, to: next, into: $0, from: previous, tag: 3)
    }
  }
  try expect(
    [status.source, status.tag, status.count], equals: [previous, 3, expectedCount], "source, tag, count")
  try expect(result, equals: pattern(rank: previous, count: expectedCount) + [99], "exchange of \(type)")
}

/// What MPI refuses arrives as an error with MPI's own words; the communicator goes on working.
func checkMessageErrors(_ context: Context) throws {
  let world = context.world
  let rankError = try expectError(MPIError.self) { try world.send([1, 2, 3], to: world.size) }
  try expect(rankError.function, equals: "MPI_Send")
  try expect(rankError.errorClass, equals: 6, "class")
  try expect(rankError.message, equals: "MPI_ERR_RANK: invalid rank")
  try expect(rankError.rank, equals: world.rank)
  try expect(
    rankError.description,
    equals: "MPI_Send failed on rank \(world.rank): MPI_ERR_RANK: invalid rank (error code 6, class 6)")
  // What C code passes as wildcards and MPI_PROC_NULL.
  for rank in [-1, -2, Int.max, Int.min] {
    let error = try expectError(MPIError.self) { try world.send([1], to: rank) }
    try expect(error.message, equals: "MPI_ERR_RANK: invalid rank", "message for rank \(rank)")
    _ = try expectError(MPIError.self) { _ = try world.broadcast(1, root: rank) }
  }
  let tagError = try expectError(MPIError.self) { try world.send([1], to: 0, tag: -1) }
  try expect(tagError.message, equals: "MPI_ERR_TAG: invalid tag")

  // A message longer than the buffer, to oneself.
  let sent = [1, 2, 3]
  try sent.withUnsafeBufferPointer {
    let sending = try world.immediateSend($0, to: world.rank, tag: 1)
    let error = try expectError(MPIError.self) {
      _ = try world.receive(Int.self, upTo: 2, from: world.rank, tag: 1)
    }
    try expect(error.message, equals: "MPI_ERR_TRUNCATE: message truncated")
    try sending.wait()
  }
  try world.barrier()
}

/// Counts beyond a C `int`, on memory that few machines have to spare: for use by hand. About 2 GiB a rank.
func checkLargeCounts(_ context: Context) throws {
  let world = context.world
  let count = Int(Int32.max) + 12345
  let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count)
  defer { buffer.deallocate() }
  func fill(_ seed: Int) { for index in buffer.indices { buffer[index] = UInt8((index &* 31 &+ seed) & 63) } }
  func checkContents(_ factor: Int, _ seed: Int, _ what: String) throws {
    for index in buffer.indices where Int(buffer[index]) != factor * ((index &* 31 &+ seed) & 63) {
      throw Failure(description: "\(what): element \(index) is \(buffer[index])")
    }
  }
  fill(world.rank)
  try world.broadcast(buffer, root: world.size - 1)
  try checkContents(1, world.size - 1, "broadcast")
  try world.allReduce(buffer, .sum)
  try checkContents(world.size, world.size - 1, "all-reduce")
  fill(world.rank)
  if world.rank == 0 {
    try world.receive(into: buffer, from: 1)
    try checkContents(1, 1, "message")
  } else if world.rank == 1 {
    try world.send(UnsafeBufferPointer(buffer), to: 0)
  }
  let counts = (0..<world.size).map { count * ($0 + 1) / world.size - count * $0 / world.size }
  fill(5)
  let start = counts[..<world.rank].reduce(0, +)
  for index in buffer.indices where index < start || index >= start + counts[world.rank] { buffer[index] = 0 }
  try world.allGather(inPlace: buffer, counts: counts)
  try checkContents(1, 5, "all-gather")
}
