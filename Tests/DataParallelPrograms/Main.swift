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
    guard arguments.count == 3, ["all-reduce", "exchange"].contains(arguments[1]),
      let slices = Int(arguments[2]),
      slices > 0
    else {
      FileHandle.standardError.write(Data("all-reduce SLICES or exchange SLICES, please\n".utf8))
      exit(64)
    }
    let name = arguments[1]
    let status = Session.run(program: "data-parallel-programs", exitStatus: { _ in 1 }) { session in
      let world = session.world
      for count in [1, 16, 17, 1000, 100_003] {
        if name == "all-reduce" {
          try checkAllReduce(world, slices: slices, count: count)
        } else {
          for bucketSize in [1, 3000, 20_000, 1_000_000] {
            try checkExchange(world, slices: slices, count: count, bucketSize: bucketSize)
          }
        }
      }
      print("\(name) passed on rank \(world.rank) of \(world.size)")
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

/// Each rank's parts of the sum against the tree over all slices; then what all ranks have after gathering.
private func checkExchange(_ world: Communicator, slices: Int, count: Int, bucketSize: Int) throws {
  let share = try SliceShare(
    batchSize: 2 * slices, slices: slices, rank: world.rank, worldSize: world.size)
  let threads = ThreadPool(threadCount: 2)
  let plan = BucketPlan(count: count, bucketSize: bucketSize, worldSize: world.size)
  let exchange = GradientExchange(communicator: world, plan: plan, threads: threads)
  let (sum, expected) = (FlatMemory(count: count), FlatMemory(count: count))
  var branches: [FlatMemory] = []
  for step in 0..<2 {
    SliceTree.sum(share.own, into: sum, branches: &branches, threads: threads) {
      gradient(of: $0, step: step, $1)
    }
    // In any order, such as that in which backward finishes them; some ranks get on faster than others.
    for bucket in plan.buckets.indices.reversed() {
      try exchange.start(bucket, of: sum)
      if world.rank % 2 == 1 { try exchange.advance() }
    }
    try exchange.finish()
    SliceTree.sum(0..<slices, into: expected, branches: &branches, threads: threads) {
      gradient(of: $0, step: step, $1)
    }
    let what =
      "step \(step) of \(count) values in buckets of \(bucketSize), \(slices) slices on \(world.size) ranks"
    for part in plan.parts(of: world.rank) {
      for index in part {
        let (found, wanted) = (sum.elements[index], expected.elements[index])
        let isGood =
          share.isExact
          ? found.bitPattern == wanted.bitPattern : abs(found - wanted) <= 1e-5 * abs(wanted) + 1e-3
        guard isGood else {
          throw Failure(description: "\(what): element \(index) is \(found), not \(wanted)")
        }
      }
    }
    // What is not this rank's is not looked at.
    let own = FlatMemory(count: count)
    own.elements.update(repeating: .nan)
    for part in plan.parts(of: world.rank) {
      for index in part { own.elements[index] = sum.elements[index] }
    }
    try exchange.gather(own)
    let first = try world.broadcast(Array(own.elements), root: 0)
    guard bits(own) == first.map(\.bitPattern), !share.isExact || bits(own) == bits(expected) else {
      throw Failure(description: "\(what): rank \(world.rank) gathered something else")
    }
  }
}

private func bits(_ memory: FlatMemory) -> [UInt32] { memory.elements.map(\.bitPattern) }

private func relativeError(_ actual: FlatMemory, _ expected: FlatMemory) -> Double {
  let pairs = zip(actual.elements, expected.elements)
  let difference = pairs.reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
  return (difference / expected.elements.reduce(0) { $0 + Double($1) * Double($1) }).squareRoot()
}
