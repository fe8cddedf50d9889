import MPI

/// Agreements in which no, one, several and all ranks fail.
func checkAgreement(_ context: Context) throws {
  let world = context.world
  try expect(try world.agree { world.rank * 2 }, equals: world.rank * 2)
  for first in 0..<world.size {
    try checkFailure(context, world, failing: [first])
    try checkFailure(context, world, failing: Set(first..<world.size))
  }
  // In a group, the rank named is the world's.
  guard world.size > 2, let rest = try world.split(color: world.rank == 0 ? nil : 0) else { return }
  try checkFailure(context, rest, failing: [world.size - 1])
}

private func checkFailure(_ context: Context, _ communicator: Communicator, failing: Set<Int>) throws {
  let rank = context.world.rank
  let isFailing = failing.contains(rank)
  let failure = try expectError(CollectiveFailure.self) {
    try communicator.agree {
      if isFailing { throw Failure(description: "no coffee for \(rank)", exitStatus: 80 + Int32(rank)) }
    }
  }
  guard let lowest = failing.min() else { preconditionFailure("nobody fails") }
  try expect(failure.rank, equals: lowest)
  try expect(failure.worldSize, equals: context.world.size)
  try expect(failure.host, equals: context.session.processorName)
  try expect(failure.message, equals: "no coffee for \(lowest)")
  try expect(failure.exitStatus, equals: 80 + Int32(lowest))
  try expect(failure.isReporter, equals: rank == lowest)
  try expect(
    (failure.ownError as? Failure)?.description, equals: isFailing ? "no coffee for \(rank)" : nil,
    "own error")
  let place = context.world.size == 1 ? "" : "rank \(lowest) of \(context.world.size) on \(failure.host): "
  try expect(failure.description, equals: "\(place)no coffee for \(lowest)")
  // The ranks are in step again.
  try expect(try communicator.allReduce(1, .sum), equals: communicator.size)
}

/// The ranks that the arguments name fail in an agreement; nobody catches it. A first argument `group` makes the
/// agreement one of all ranks but 0, who works on.
func failAgreed(_ context: Context) throws {
  let world = context.world
  let failing = Set(context.arguments.compactMap { Int($0) })
  let inGroup = context.arguments.first == "group"
  guard let communicator = try inGroup ? world.split(color: world.rank == 0 ? nil : 0) : world else {
    return try world.barrier()
  }
  try communicator.agree {
    if failing.contains(world.rank) {
      throw Failure(description: "no tea for \(world.rank)", exitStatus: 90 + Int32(world.rank))
    }
  }
}
