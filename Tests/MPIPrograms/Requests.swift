import Foundation
import MPI

/// Non-blocking messages and barriers.
func checkRequests(_ context: Context) throws {
  try context.atChunkLimits {
    for count in [0, 1, 6, 7, 8, 14, 23] { try checkAllToAll($0, count) }
    try checkTest($0)
    try checkLength($0)
    try checkBarrier($0)
    try checkDropped($0)
  }
}

/// Every rank to every rank, itself included, all under way at once, and waited for in the opposite order.
private func checkAllToAll(_ world: Communicator, _ count: Int) throws {
  let own: [Float] = pattern(rank: world.rank, count: count)
  var result = [Float](repeating: 99, count: count * world.size)
  try own.withUnsafeBufferPointer { own in
    try result.withUnsafeMutableBufferPointer { result in
      var requests: [Request] = []
      for peer in 0..<world.size {
        let block = UnsafeMutableBufferPointer(rebasing: result[peer * count..<(peer + 1) * count])
        requests.append(try world.immediateReceive(into: block, from: peer, tag: 5))
      }
      for peer in 0..<world.size { requests.append(try world.immediateSend(own, to: peer, tag: 5)) }
      try Request.waitAll(requests.reversed())
      for request in requests {
        try expect(try request.test(), "a request that was waited for is not complete")
      }
    }
  }
  let expected = (0..<world.size).flatMap { pattern(Float.self, rank: $0, count: count) }
  try expect(result, equals: expected, "all to all of \(count)")
}

/// A receive is incomplete until its message is sent.
private func checkTest(_ world: Communicator) throws {
  var value = 0
  try withUnsafeMutablePointer(to: &value) {
    let previous = (world.rank + world.size - 1) % world.size
    let request = try world.immediateReceive(
      into: UnsafeMutableBufferPointer(start: $0, count: 1), from: previous)
    for _ in 0..<10 { try expect(!(try request.test()), "complete before the message was sent") }
    try world.barrier()
    try world.send([41 + world.rank], to: (world.rank + 1) % world.size)
    while !(try request.test()) {}
    try expect($0.pointee, equals: 41 + previous)
  }
}

/// A non-blocking receive must be told the exact length.
private func checkLength(_ world: Communicator) throws {
  var values = [Int](repeating: 0, count: 3)
  try values.withUnsafeMutableBufferPointer {
    let request = try world.immediateReceive(into: $0, from: world.rank, tag: 6)
    try world.send([1, 2], to: world.rank, tag: 6)
    let error = try expectError(MessageLengthError.self) { try request.wait() }
    try expect(error.expectedCount, equals: 3)
    try expect(error.count, equals: 2)
    try expect(
      error.description.contains("receive of 3 elements from rank \(world.rank), tag 6"), error.description)
  }
}

/// A barrier completes on no rank before the last has come.
private func checkBarrier(_ world: Communicator) throws {
  let request = try world.immediateBarrier()
  try request.wait()
  guard world.size > 1 else { return }
  let isLast = world.rank == world.size - 1
  if isLast {
    for rank in 0..<world.rank { _ = try world.receive(UInt8.self, upTo: 0, from: rank, tag: 7) }
    try world.immediateBarrier().wait()
  } else {
    let request = try world.immediateBarrier()
    for _ in 0..<10 { try expect(!(try request.test()), "the barrier opened before the last rank came") }
    try world.send([UInt8](), to: world.size - 1, tag: 7)
    try request.wait()
  }
}

/// Requests that are dropped are waited for.
private func checkDropped(_ world: Communicator) throws {
  let next = (world.rank + 1) % world.size
  let previous = (world.rank + world.size - 1) % world.size
  var result = [Int](repeating: 0, count: 23)
  let own = pattern(Int.self, rank: world.rank, count: 23)
  try own.withUnsafeBufferPointer { own in
    let sending = try world.immediateSend(own, to: next, tag: 8)
    try result.withUnsafeMutableBufferPointer {
      _ = try world.immediateReceive(into: $0, from: previous, tag: 8)
    }
    try expect(result, equals: pattern(rank: previous, count: 23), "what a dropped receive received")
    try sending.wait()
  }
}

/// A request that cannot complete is dropped: the process must end.
func dropRequest(_ context: Context) throws {
  let memory = UnsafeMutableBufferPointer<Int>.allocate(capacity: 4)
  defer { memory.deallocate() }
  if context.world.rank == context.world.size - 1 {
    _ = try context.world.immediateReceive(into: memory, from: 0, tag: 9)
  }
  try context.world.barrier()
}
