import Checkpoints
import Configuration
import DataParallel
import Datasets
import Foundation
import Kernels
import MPI
import Randomness
import Tasks
import Tensors
import Training
import TrainingTestSupport

/// A program that checks itself, for the tests to run under mpirun: `TrainingPrograms WAY`. It trains a tiny model for
/// some steps, with the update made in one of its ways, and compares each step with the plain one: all micro-batches'
/// gradients, their sum, then `Optimizer.update`. Every rank says at the end that it has passed.
@main
enum TrainingPrograms {
  /// Of the update, see `StepUpdate`.
  private enum Way: String, CaseIterable {
    /// Each bucket as soon as its gradient is summed; alone, in place.
    case early
    /// When the length of the gradient is known, and it is longer than allowed.
    case clipped
    /// The same, but the gradient may be as long as it is.
    case unclipped
  }

  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count == 2, let way = Way(rawValue: arguments[1]) else {
      let names = Way.allCases.map(\.rawValue).joined(separator: ", ")
      FileHandle.standardError.write(Data("one of \(names), please\n".utf8))
      exit(64)
    }
    let status = Session.run(program: "training-programs", exitStatus: { _ in 1 }) { session in
      for bucketBytes in [1, 1 << 20] { try check(way, bucketBytes: bucketBytes, on: session.world) }
      print("\(way) passed on rank \(session.world.rank) of \(session.world.size)")
      return 0
    }
    exit(status)
  }

  private static func check(_ way: Way, bucketBytes: Int, on world: Communicator) throws {
    var settings = [
      "training.batch_size=\(PlainStep.batchSize)", "training.microbatches=4", "ema.decay=0.75",
      "ema.further_decays=[0.5]", "training.bucket_bytes=\(bucketBytes)", "optimizer.weight_decay=0.1",
    ]
    switch way {
    case .early: break
    case .clipped: settings.append("optimizer.clip_norm=0.01")
    case .unclipped: settings.append("optimizer.clip_norm=1000000")
    }
    let configuration = try TrainingTestSupport.configuration(settings)
    let plain = PlainStep(configuration)
    let layout = configuration.model.parameters
    let plan = configuration.training.bucketPlan(layout, worldSize: world.size)
    let assignment = try MicrobatchAssignment(
      batchSize: PlainStep.batchSize, microbatches: 4, rank: world.rank, worldSize: world.size)
    let state = ShardedState(configuration, layout: layout, plan: plan, rank: world.rank)
    let step = try TrainingStep(
      configuration, task: plain.task, state: state, plan: plan, assignment: assignment,
      engine: plain.engine, communicator: world)
    // The third batch holds a NaN: nothing but the step's number may change.
    for number in 0..<4 {
      let isFinite = number != 2
      let images = PlainStep.images(step: number, isFinite: isFinite)
      let expected = try plain(images)
      let losses = try step.sumGradients(
        PlainStep.batch(images, samples: assignment.ownSamples, step: number))
      try step.sumOverRanks()
      let all = try world.allGather(MeanLosses.numbers(losses))
      let loss = MeanLosses(all.flatMap { $0 }, microbatches: 4).total
      let outcome = try step.update(loss: loss)
      try step.exchange.finishGathering()
      let what = "\(way), step \(number + 1), rank \(world.rank) of \(world.size)"
      try require(
        (outcome != nil) == isFinite, "\(what): the update was \(outcome == nil ? "left out" : "made")")
      try require(!isFinite || loss == expected.loss, "\(what): the loss is \(loss), not \(expected.loss)")
      if let outcome {
        let difference = abs(outcome.gradientNorm - expected.gradientNorm)
        try require(
          difference <= 1e-6 * expected.gradientNorm,
          "\(what): the gradient's length is \(outcome.gradientNorm), not \(expected.gradientNorm)")
      }
      try require(state.step == plain.state.step, "\(what): \(state.step) steps")
      // The length is summed in another order, which the clipped gradient's last bits depend on.
      try compare(state, plain.state, within: way == .clipped ? 1e-5 : 0, what)
    }
  }

  /// All weights, and the rank's parts of all else.
  private static func compare(
    _ state: ShardedState, _ plain: ShardedState, within tolerance: Float, _ what: String
  ) throws {
    let (found, expected) = (whole(state), whole(plain))
    for member in state.schema.all {
      let ranges = member == .weights ? [0..<state.layout.flatCount] : state.parts
      for index in ranges.joined() {
        let (value, wanted) = (found[member].elements[index], expected[member].elements[index])
        try require(
          value.bitPattern == wanted.bitPattern || abs(value - wanted) <= tolerance * max(abs(wanted), 1e-3),
          "\(what): element \(index) of \(member) is \(value), not \(wanted)")
      }
    }
  }
}

/// A check that did not hold.
struct Failure: Error, CustomStringConvertible {
  let description: String
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  guard condition else { throw Failure(description: message()) }
}
