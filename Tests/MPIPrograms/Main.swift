import Foundation
import MPI

/// What a program is given.
struct Context {
  let session: Session
  /// What follows the program's name.
  let arguments: [String]

  var world: Communicator { session.world }

  /// The number at `index` of the arguments; nil when there is none.
  func number(_ index: Int) -> Int? { arguments.indices.contains(index) ? Int(arguments[index]) : nil }

  /// Runs `body` on the world, whose MPI calls count at most 2^31 - 1 elements, then on duplicates which cut the
  /// programs' counts in all ways: none, a part of a chunk, whole chunks, whole chunks and a part.
  /// - Throws: `Failure`, which names the limit.
  func atChunkLimits(_ body: (Communicator) throws -> Void) throws {
    try body(world)
    for limit in [7, 1] {
      do {
        try body(try world.duplicate(chunkLimit: limit))
      } catch {
        throw Failure(description: "chunk limit \(limit): \(error)")
      }
    }
  }
}

/// Programs that check themselves, for the tests to run under mpirun: `MPIPrograms NAME [ARGUMENT ...]`. Every rank
/// says at the end that it has passed.
@main
enum MPIPrograms {
  static let programs: [String: @Sendable (Context) throws -> Void] = [
    "collectives": checkCollectives,
    "messages": checkMessages,
    "message-errors": checkMessageErrors,
    "requests": checkRequests,
    "dropped-request": dropRequest,
    "communicators": checkCommunicators,
    "threads": checkThreads,
    "agreement": checkAgreement,
    "session": checkSession,
    "fail": fail,
    "fail-agreed": failAgreed,
    "fail-on-wrong-rank": failOnWrongRank,
    "hang": hang,
    "die": die,
    "large": checkLargeCounts,
  ]

  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count > 1, let program = programs[arguments[1]] else {
      FileHandle.standardError.write(Data("one of \(programs.keys.sorted()), please\n".utf8))
      exit(64)
    }
    let status = Session.run(program: "mpi-programs", exitStatus: { ($0 as? Failure)?.exitStatus ?? 1 }) {
      session in
      try program(Context(session: session, arguments: Array(arguments.dropFirst(2))))
      print("\(arguments[1]) passed on rank \(session.world.rank) of \(session.world.size)")
      return 0
    }
    exit(status)
  }
}
