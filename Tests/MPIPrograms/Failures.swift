import Foundation
import MPI

/// The ranks that the arguments name throw, all at once, while the others wait for them in a barrier. `mpi` before
/// them makes the error one of MPI's, and adds rank 0, which throws an error of its own a little later.
func fail(_ context: Context) throws {
  let world = context.world
  try announce(world)
  let failing = Set(context.arguments.compactMap { Int($0) })
  if context.arguments.first == "mpi" {
    if failing.contains(world.rank) { try world.send([1], to: world.size) }
    if world.rank == 0 {
      Thread.sleep(forTimeInterval: 0.3)
      throw Failure(description: "the culprit")
    }
  } else if failing.contains(world.rank) {
    throw Failure(description: "no milk for \(world.rank)", exitStatus: 65)
  }
  try world.barrier()
}

/// Rank 0 makes MPI refuse a call, and does not catch the error.
func failOnWrongRank(_ context: Context) throws {
  if context.world.rank == 0 { try context.world.send([1], to: context.world.size) }
  try context.world.barrier()
}

/// Rank 0 never comes to the barrier in which the others wait.
func hang(_ context: Context) throws {
  try announce(context.world)
  while context.world.rank == 0 { Thread.sleep(forTimeInterval: 1) }
  try context.world.barrier()
}

/// The rank of the first argument is killed, or writes where it may not if the second argument is `wild`, while the
/// others wait for it.
func die(_ context: Context) throws {
  let world = context.world
  try announce(world)
  if world.rank == context.number(0) {
    if context.arguments.last == "wild" { UnsafeMutablePointer<Int>(bitPattern: 16)?.pointee = 1 }
    kill(getpid(), SIGKILL)
  }
  try world.barrier()
}

/// Rank 0 prints all ranks' process identifiers, so that the test can see whether any is left.
private func announce(_ world: Communicator) throws {
  let processes = try world.gather([getpid()])
  if let processes {
    print("processes", processes.joined().map { "\($0)" }.joined(separator: " "))
    fflush(nil)
  }
  try world.barrier()
}

/// One session, once; and what it knows.
func checkSession(_ context: Context) throws {
  try expect(try expectError(SessionError.self) { _ = try Session() }, equals: .alreadyInitialized)
  // The refused one has not finalised MPI.
  try expect(try context.world.allReduce(1, .sum), equals: context.world.size)
  try expect(Session.libraryVersion.hasPrefix("Open MPI v4."), Session.libraryVersion)
  try expect(context.session.processorName.isEmpty, equals: false)
  let launcher = context.session.launcher
  try expect(launcher.map(\.processCount) ?? 1, equals: context.world.size)
  try expect(launcher.map(\.rank) ?? 0, equals: context.world.rank)
  try context.session.finalize()
  try context.session.finalize()
  try expect(try expectError(SessionError.self) { _ = try Session() }, equals: .alreadyFinalized)
}
