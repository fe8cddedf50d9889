import DataParallel
import Foundation
import Kernels
import MPI
import Randomness
import Tensors

/// Programs that check themselves, for the tests to run under mpirun: `DataParallelPrograms NAME MICROBATCHES`. Every rank
/// says at the end that it has passed.
@main
enum DataParallelPrograms {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, ["exchange", "compression"].contains(arguments[1]),
      let microbatches = Int(arguments[2]),
      microbatches > 0
    else {
      FileHandle.standardError.write(Data("exchange or compression, and MICROBATCHES, please\n".utf8))
      exit(64)
    }
    let program = arguments[1]
    let status = Session.run(program: "data-parallel-programs", exitStatus: { _ in 1 }) { session in
      let world = session.world
      for count in [1, 16, 17, 1000, 100_003] {
        for bucketSize in [1, 3000, 20_000, 1_000_000] {
          if program == "exchange" {
            for isShared in [false, true] {
              try checkExchange(
                world, microbatches: microbatches, count: count, bucketSize: bucketSize, isShared: isShared)
              guard world.size > 1 else { continue }
              try checkEarlyGathering(world, count: count, bucketSize: bucketSize, isShared: isShared)
            }
          } else {
            try checkCompression(world, count: count, bucketSize: bucketSize)
          }
        }
      }
      print("\(program) passed on rank \(world.rank) of \(world.size)")
      return 0
    }
    exit(status)
  }
}

/// A check that did not hold.
struct Failure: Error, CustomStringConvertible {
  let description: String
}

/// The gradient of a micro-batch in a step, the same wherever it is computed. Sizes differ a lot between micro-batches, so that
/// the order of additions shows in the bits.
private func gradient(of microbatch: Int, step: Int, _ memory: ParameterBuffer) {
  RandomStream(seed: 1, purpose: .noise, step: step, sample: microbatch).fillNormal(memory.elements)
  let scale = Float(sign: .plus, exponent: microbatch * 5 % 7, significand: 1)
  for index in 0..<memory.count { memory.elements[index] *= scale }
}

/// An exchange whose ranks, all on one host, look at each other's memory if any is shared.
private func exchange(
  _ world: Communicator, _ plan: BucketPlan, _ threads: ThreadPool, sharing memories: [ParameterBuffer]
) throws -> GradientExchange {
  let exchange = try GradientExchange(
    communicator: world, plan: plan, threads: threads, sharing: memories)
  guard exchange.readsInPlace == (world.size > 1 && !memories.isEmpty) else {
    throw Failure(description: "ranks look at each other's memory: \(exchange.readsInPlace)")
  }
  return exchange
}

/// Each rank's parts of the sum against the tree over all micro-batches; then what all ranks have after gathering.
private func checkExchange(
  _ world: Communicator, microbatches: Int, count: Int, bucketSize: Int, isShared: Bool
) throws {
  let share = try MicrobatchAssignment(
    batchSize: 2 * microbatches, microbatches: microbatches, rank: world.rank, worldSize: world.size)
  let threads = ThreadPool(threadCount: 2)
  let plan = BucketPlan(count: count, bucketSize: bucketSize, worldSize: world.size)
  let sum = ParameterBuffer(count: count, isShared: isShared)
  let own = ParameterBuffer(count: count, isShared: isShared)
  let exchange = try exchange(world, plan, threads, sharing: isShared ? [sum, own] : [])
  let expected = ParameterBuffer(count: count)
  var branches: [ParameterBuffer] = []
  for step in 0..<2 {
    ReductionTree.sum(share.own, into: sum, branches: &branches, threads: threads) {
      gradient(of: $0, step: step, $1)
    }
    // In any order, such as that in which backward finishes them; some ranks get on faster than others.
    for bucket in plan.buckets.indices.reversed() {
      try exchange.start(bucket, of: sum)
      if world.rank % 2 == 1 { try exchange.advance() }
    }
    try exchange.finish()
    ReductionTree.sum(0..<microbatches, into: expected, branches: &branches, threads: threads) {
      gradient(of: $0, step: step, $1)
    }
    let what =
      "step \(step) of \(count) values in buckets of \(bucketSize), \(microbatches) micro-batches on \(world.size) ranks"
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
    own.elements.update(repeating: .nan)
    for part in plan.parts(of: world.rank) {
      for index in part { own.elements[index] = sum.elements[index] }
    }
    // In another order than they lie in; what is waited for must be there, whatever else is.
    let middle = count / 2
    exchange.gather(inOrderOf: [middle..<count, 0..<min(count, 100)])
    try exchange.startGathering(own)
    try exchange.waitUntilGathered(middle..<count)
    guard own.elements[middle...].allSatisfy({ !$0.isNaN }) else {
      throw Failure(description: "\(what): rank \(world.rank) was told that the second half is there")
    }
    try exchange.finishGathering()
    let first = try world.broadcast(Array(own.elements), root: 0)
    guard bits(own) == first.map(\.bitPattern), !share.isExact || bits(own) == bits(expected) else {
      throw Failure(description: "\(what): rank \(world.rank) gathered something else")
    }
  }
}

/// Sums that are halved as soon as they are there, and gathered early: all ranks have all halves, whichever buckets went
/// early.
private func checkEarlyGathering(_ world: Communicator, count: Int, bucketSize: Int, isShared: Bool) throws {
  let threads = ThreadPool(threadCount: 2)
  let plan = BucketPlan(count: count, bucketSize: bucketSize, worldSize: world.size)
  var memories = (0..<2).map { _ in ParameterBuffer(count: count, isShared: isShared) }
  let exchange = try exchange(world, plan, threads, sharing: isShared ? memories : [])
  for step in 0..<3 {
    let memory = memories[0]
    gradient(of: world.rank, step: step, memory)
    // The memory of the last step holds what this one's is compared with.
    let expected = memories[1]
    expected.clear()
    for rank in 0..<world.size {
      let part = ParameterBuffer(count: count)
      gradient(of: rank, step: step, part)
      for index in 0..<count { expected.elements[index] += part.elements[index] / 2 }
    }
    exchange.gatherEarly { bucket, _ in
      for index in plan.part(of: bucket, rank: world.rank) { memory.elements[index] /= 2 }
    }
    for bucket in plan.buckets.indices.reversed() {
      try exchange.start(bucket, of: memory)
      if (world.rank + bucket) % 3 == 1 { try exchange.advance() }
    }
    try exchange.finish()
    exchange.gather(inOrderOf: [count / 2..<count])
    try exchange.gatherEarlyOnes()
    try exchange.waitUntilGathered(count / 2..<count)
    let half = Array(memory.elements[(count / 2)...])
    try exchange.finishGathering()
    guard half.map(\.bitPattern) == memory.elements[(count / 2)...].map(\.bitPattern) else {
      throw Failure(description: "rank \(world.rank) was told that the second half is there")
    }
    let first = try world.broadcast(Array(memory.elements), root: 0)
    guard bits(memory) == first.map(\.bitPattern) else {
      throw Failure(description: "rank \(world.rank) has other values than rank 0")
    }
    for index in 0..<count {
      let (found, wanted) = (memory.elements[index], expected.elements[index])
      guard abs(found - wanted) <= 1e-5 * abs(wanted) + 1e-2 else {
        throw Failure(description: "step \(step): element \(index) is \(found), not \(wanted)")
      }
    }
    memories.swapAt(0, 1)
  }
}

/// Sums with gradients rounded to bfloat16 on their way: of two ranks bit for bit, of others within what each rounding
/// may change.
private func checkCompression(_ world: Communicator, count: Int, bucketSize: Int) throws {
  let threads = ThreadPool(threadCount: 2)
  let plan = BucketPlan(count: count, bucketSize: bucketSize, worldSize: world.size)
  let exchange = try GradientExchange(
    communicator: world, plan: plan, threads: threads, compression: .bf16)
  let gradients = (0..<world.size).map { rank in
    let memory = ParameterBuffer(count: count)
    gradient(of: rank, step: 0, memory)
    return memory
  }
  let sum = gradients[world.rank]
  let own = Array(sum.elements)
  for bucket in plan.buckets.indices { try exchange.start(bucket, of: sum) }
  try exchange.finish()
  var isRounded = false
  for index in plan.parts(of: world.rank).joined() {
    let found = sum.elements[index]
    let others = gradients.indices.filter { $0 != world.rank }.map { gradients[$0].elements[index] }
    let exact = others.reduce(own[index], +)
    let size = others.reduce(abs(own[index])) { $0 + abs($1) }
    // Half of the last of 8 binary places, for each exchange that a term goes through.
    let hops = Float(world.size)
    guard abs(found - exact) <= hops * size * 0x1p-8 else {
      throw Failure(description: "element \(index) is \(found), not about \(exact)")
    }
    if world.size == 2, found.bitPattern != (own[index] + rounded(others[0])).bitPattern {
      throw Failure(
        description: "element \(index) is \(found), not \(own[index]) + \(others[0]) as 16 bits")
    }
    isRounded = isRounded || found != exact
  }
  guard isRounded || world.size == 1 || plan.parts(of: world.rank).allSatisfy({ $0.count < 16 }) else {
    throw Failure(description: "nothing was rounded")
  }
}

/// The nearest number of 8 binary places.
private func rounded(_ x: Float) -> Float {
  let unit = x.ulp * 0x1p16
  return (x / unit).rounded(.toNearestOrEven) * unit
}

private func bits(_ memory: ParameterBuffer) -> [UInt32] { memory.elements.map(\.bitPattern) }
