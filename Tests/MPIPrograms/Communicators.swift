import Foundation
import MPI
import Synchronization

/// Groups: who is in them, in which order, and that their traffic is apart.
func checkCommunicators(_ context: Context) throws {
  let world = context.world
  let copy = try world.duplicate()
  try expect(copy.rank, equals: world.rank)
  try expect(copy.size, equals: world.size)

  // The same tag on two communicators: what is received is what was sent on this one.
  try world.immediateSend(value: 1, to: world.rank)
  try copy.immediateSend(value: 2, to: world.rank)
  try expect(try copy.receive(Int.self, upTo: 1, from: nil, tag: nil).values, equals: [2])
  try expect(try world.receive(Int.self, upTo: 1, from: nil, tag: nil).values, equals: [1])

  // Odd and even ranks, in reverse order.
  let parity = world.rank % 2
  guard let half = try world.split(color: parity, key: -world.rank) else {
    throw Failure(description: "no group for color \(parity)")
  }
  let members = (0..<world.size).filter { $0 % 2 == parity }
  try expect(half.size, equals: members.count)
  try expect(try half.allGather(world.rank), equals: members.reversed())
  try expect(half.rank, equals: members.count - 1 - world.rank / 2)

  // Rank 0 alone has no group.
  let rest = try world.split(color: world.rank == 0 ? nil : 0)
  try expect(rest?.size, equals: world.rank == 0 ? nil : world.size - 1)

  // Groups fail by themselves: errors return on them too.
  let error = try expectError(MPIError.self) { try half.send([1], to: half.size) }
  try expect(error.rank, equals: world.rank, "the world's rank")

  // More communicators than MPI has numbers for at once, so each must be freed with its object. One rank suffices.
  guard world.size == 1 else { return }
  for _ in 0..<70_000 { _ = try world.duplicate() }
}

extension Communicator {
  /// Sends one value and does not wait: small messages need no receiver to complete.
  fileprivate func immediateSend(value: Int, to rank: Int) throws {
    try withUnsafePointer(to: value) {
      try immediateSend(UnsafeBufferPointer(start: $0, count: 1), to: rank).wait()
    }
  }
}

/// Several threads, each with a communicator of its own, at once.
func checkThreads(_ context: Context) throws {
  try expect(context.session.threadLevel, equals: .multiple)
  let communicators = try (0..<3).map { _ in try context.world.duplicate() }
  let failures = Mutex<[String]>([])
  DispatchQueue.concurrentPerform(iterations: communicators.count) { index in
    let communicator = communicators[index]
    do {
      for step in 0..<200 {
        let values = [Float](repeating: Float(index * 1000 + step), count: 257)
        let sums = try communicator.allReduce(values, .sum)
        let expected = Float((index * 1000 + step) * communicator.size)
        try expect(
          sums.allSatisfy { $0 == expected }, "thread \(index), step \(step): \(sums[0]) for \(expected)")
      }
    } catch {
      failures.withLock { $0.append("\(error)") }
    }
  }
  try expect(failures.withLock { $0 }, equals: [])
}
