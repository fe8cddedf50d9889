import DataParallel
import Foundation
import Kernels
import MPI
import Randomness
import Tensors

/// Programs that check themselves, for the tests to run under mpirun: `DataParallelPrograms NAME SLICES`. Every rank
/// says at the end that it has passed.
@main
enum DataParallelPrograms {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, arguments[1] == "all-reduce", let slices = Int(arguments[2]), slices > 0
    else {
      FileHandle.standardError.write(Data("all-reduce SLICES, please\n".utf8))
      exit(64)
    }
    let status = Session.run(program: "data-parallel-programs", exitStatus: { _ in 1 }) { session in
      let world = session.world
      for count in [1, 16, 17, 1000, 100_003] { try checkAllReduce(world, slices: slices, count: count) }
      print("all-reduce passed on rank \(world.rank) of \(world.size)")
      return 0
    }
    exit(status)
  }
}

/// A check that did not hold.
struct Failure: Error, CustomStringConvertible {
  let description: String
}

/// The gradient of a slice in a step, the same wherever it is computed. Sizes differ a lot between slices, so that
/// the order of additions shows in the bits.
private func gradient(of slice: Int, step: Int, _ memory: FlatMemory) {
  RandomStream(seed: 1, purpose: .noise, step: step, sample: slice).fillNormal(memory.elements)
  let scale = Float(sign: .plus, exponent: slice * 5 % 7, significand: 1)
  for index in 0..<memory.count { memory.elements[index] *= scale }
}

/// The sum over all ranks against the tree over all slices, which every rank computes by itself.
private func checkAllReduce(_ world: Communicator, slices: Int, count: Int) throws {
  let share = try SliceShare(
    batchSize: 2 * slices, slices: slices, rank: world.rank, worldSize: world.size)
  let threads = ThreadPool(threadCount: 2)
  let allReduce = GradientAllReduce(communicator: world, count: count, threads: threads)
  let (sum, expected) = (FlatMemory(count: count), FlatMemory(count: count))
  var branches: [FlatMemory] = []
  // Several steps with the same memory.
  for step in 0..<3 {
    SliceTree.sum(share.own, into: sum, branches: &branches, threads: threads) {
      gradient(of: $0, step: step, $1)
    }
    try allReduce(sum)
    SliceTree.sum(0..<slices, into: expected, branches: &branches, threads: threads) {
      gradient(of: $0, step: step, $1)
    }
    let what = "step \(step) of \(count) values, \(slices) slices on \(world.size) ranks"
    if share.isExact {
      guard bits(sum) == bits(expected) else {
        throw Failure(description: "\(what): the sum differs from the tree's")
      }
    } else {
      let error = relativeError(sum, expected)
      guard error < 1e-6 else { throw Failure(description: "\(what): the sum is off by \(error)") }
    }
    // The same on all ranks, whatever their number.
    let first = try world.broadcast(Array(sum.elements), root: 0)
    guard bits(sum) == first.map(\.bitPattern) else {
      throw Failure(description: "\(what): rank \(world.rank) has another sum than rank 0")
    }
  }
}

private func bits(_ memory: FlatMemory) -> [UInt32] { memory.elements.map(\.bitPattern) }

private func relativeError(_ actual: FlatMemory, _ expected: FlatMemory) -> Double {
  let pairs = zip(actual.elements, expected.elements)
  let difference = pairs.reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  return (difference / expected.elements.reduce(0) { $0 + Double($1) * Double($1) }).squareRoot()
}
