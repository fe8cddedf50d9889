import Datasets
import Diffusion
import Foundation
import Kernels
import MPI
import Models
import Randomness
import Tensors

/// The variational bound and the training loss of a denoiser, at each timestep.
///
/// Work is cut into passes of a few images at one timestep, always the same ones, which the ranks share. The noise of
/// an image follows from (seed, image, timestep). So the result is the same for any number of ranks and threads.
public struct DenoiserEvaluation {
  private let model: any Denoiser
  private let weights: ParameterBuffer
  private let process: DiffusionProcess
  private let seed: UInt64
  private let dataset: ShardedDataset
  /// The places in the dataset of the images that are looked at.
  private let images: [Int]
  private let imageField: Int
  private let labelField: Int?
  private let shape: ImageShape
  private let bound: VariationalBound?
  private let schedule: NoiseSchedule
  private let steps: [ReverseStep]
  private let imagesPerPass: Int

  /// Values of the images of a pass: enough to keep the threads busy, few enough to stay small.
  private static let valuesPerPass = 1 << 17
  private static let mostImagesPerPass = 32

  /// - Parameters:
  ///   - count: how many images to look at, spread evenly over the dataset; nil, or more than there are: all.
  ///   - timesteps: how many timesteps to visit, spread evenly over the process's; nil: all. Then the bound is that of
  ///     the process of so many steps (Nichol and Dhariwal, 2021, section 4).
  /// - Throws: `DatasetError` for a dataset without images; `ModelError` or `EvaluationError` for one that does not fit
  ///   the model.
  public init(
    model: any Denoiser, weights: ParameterBuffer, process: DiffusionProcess, dataset: ShardedDataset,
    count: Int? = nil, timesteps: Int? = nil, seed: UInt64
  ) throws {
    let field = try dataset.requireImages()
    try model.check(height: dataset.height, width: dataset.width, channels: dataset.channels)
    guard field.type != .int32 else {
      throw EvaluationError(
        dataset.directory, "has images of int32, expected bytes, words or floating-point numbers")
    }
    if let known = model.classes, known.count > 1, dataset.classNames.count > known.count {
      throw EvaluationError(
        dataset.directory,
        "has \(dataset.classNames.count) classes, the model knows \(known.count): it was trained on others")
    }
    let total = dataset.count
    let chosen = min(count ?? total, total)
    self.model = model
    self.weights = weights
    self.process = process
    self.dataset = dataset
    self.seed = seed
    images = (0..<chosen).map { $0 * total / chosen }
    imageField = try dataset.index(of: field.name)
    labelField = dataset.fields.firstIndex { $0.role == .label }
    shape = ImageShape(height: dataset.height, width: dataset.width, channels: dataset.channels)
    bound =
      switch field.type {
      case .uint8: VariationalBound(halfStep: 1 / 255)
      case .uint16: VariationalBound(halfStep: 1 / 65_535)
      default: nil
      }
    let schedule = timesteps.map { process.schedule.respaced(to: $0) } ?? process.schedule
    self.schedule = schedule
    steps = (0..<schedule.timesteps).map { ReverseStep(schedule, $0) }
    imagesPerPass = max(1, min(Self.mostImagesPerPass, Self.valuesPerPass / shape.count))
  }

  /// Some images at one timestep.
  private struct Pass {
    let images: Range<Int>
    let step: Int
  }

  /// Sums over the images of a pass: of the loss, of the bound's term and, at the last timestep, of the prior, per
  /// value.
  private struct Sums {
    var loss = 0.0
    var term = 0.0
    var prior = 0.0

    static let count = 3
    var values: [Double] { [loss, term, prior] }
  }

  /// The passes, those of the same images one after the other.
  private var passCount: Int { (images.count + imagesPerPass - 1) / imagesPerPass * steps.count }

  private func pass(_ index: Int) -> Pass {
    let start = index / steps.count * imagesPerPass
    return Pass(
      images: start..<min(start + imagesPerPass, images.count), step: index % steps.count)
  }

  private func part(_ rank: Int, _ size: Int) -> Range<Int> {
    passCount * rank / size..<passCount * (rank + 1) / size
  }

  /// The passes that rank `rank` of `size` computes.
  public func passes(rank: Int, of size: Int) -> Int { part(rank, size).count }

  /// The scores on rank 0, nil elsewhere. Collective.
  ///
  /// - Parameter progress: called with how many of this rank's passes are done.
  /// - Throws: `CollectiveFailure` for images that cannot be read; `MPIError`.
  public func scores(
    engine: Engine, on communicator: Communicator, progress: (Int) -> Void = { _ in }
  ) throws -> DenoiserScores? {
    let own = part(communicator.rank, communicator.size)
    let found = try communicator.agree { try sums(own, engine: engine, progress: progress) }
    let all = try communicator.gather(found)
    return try communicator.agree { try all.map { try scores(of: $0.flatMap { $0 }) } }
  }

  /// What the passes `own` find: of each the sums over its images.
  package func sums(_ own: Range<Int>, engine: Engine, progress: (Int) -> Void = { _ in }) throws -> [Double]
  {
    var loaded: Samples?
    return try own.flatMap { index in
      let pass = pass(index)
      let samples: Samples
      if let loaded, loaded.range == pass.images { samples = loaded } else { samples = try load(pass.images) }
      loaded = samples
      defer { progress(index - own.lowerBound + 1) }
      return sums(samples, at: pass.step, engine).values
    }
  }

  /// Images of a pass.
  private struct Samples {
    /// Among those that are looked at.
    let range: Range<Int>
    /// [n, H, W, C].
    let values: [Float]
    let labels: [Int32]
  }

  private func load(_ range: Range<Int>) throws -> Samples {
    let size = shape.count
    var labels = [Int32](repeating: -1, count: range.count)
    let values = try [Float](unsafeUninitializedCapacity: range.count * size) { buffer, filled in
      for (place, image) in range.enumerated() {
        let part = UnsafeMutableBufferPointer(rebasing: buffer[place * size..<(place + 1) * size])
        try dataset.read(images[image], field: imageField, into: part)
        if let labelField {
          try withUnsafeMutableBytes(of: &labels[place]) {
            try dataset.read(images[image], field: labelField, into: $0)
          }
        }
      }
      filled = range.count * size
    }
    return Samples(range: range, values: values, labels: labels)
  }

  private func sums(_ samples: Samples, at index: Int, _ engine: Engine) -> Sums {
    let (step, size, count) = (steps[index], shape.count, samples.range.count)
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let x = tape.input([count, shape.height, shape.width, shape.channels])
    let target = engine.storage(x.count)
    samples.values.withUnsafeBufferPointer { images in
      engine.threads.parallel(count) { place, _ in
        let range = place * size..<(place + 1) * size
        let epsilon = UnsafeMutableBufferPointer(rebasing: target.elements[range])
        RandomStream(
          seed: seed, purpose: .evaluation, step: schedule.modelTimesteps[index],
          sample: self.images[samples.range.lowerBound + place]
        ).fillNormal(epsilon)
        let (signal, noise) = (Float(step.signal), Float(step.noise))
        for index in range { x.elements[index] = signal * images[index] + noise * target.elements[index] }
        guard step.targetImage != 0 || step.targetNoise != 1 else { return }
        let (ofImage, ofNoise) = (Float(step.targetImage), Float(step.targetNoise))
        for index in range {
          target.elements[index] = ofImage * images[index] + ofNoise * target.elements[index]
        }
      }
    }
    let output = predict(x, samples.labels, step.timestep)
    precondition(output.shape == x.shape, "a prediction \(output.shape) for images \(x.shape)")
    let unused = engine.storage(output.count)
    let mean = process.loss(
      prediction: output.storage.pointer, target: target.pointer, batch: count, size: size,
      gradient: unused.pointer, pool: engine.threads)
    var sums = Sums(loss: mean * Double(count))
    guard let bound else { return sums }
    // Each image's, to be added in their order.
    var terms = [(term: Double, prior: Double)](repeating: (0, 0), count: count)
    terms.withUnsafeMutableBufferPointer { terms in
      samples.values.withUnsafeBufferPointer { images in
        engine.threads.parallel(count) { place, _ in
          let range = place * size..<(place + 1) * size
          let image = UnsafeBufferPointer(rebasing: images[range])
          terms[place].term = bound.term(
            of: image, noisy: UnsafeBufferPointer(rebasing: x.elements[range]),
            output: UnsafeBufferPointer(rebasing: output.elements[range]), at: step, isLast: index == 0)
          if index == steps.count - 1 { terms[place].prior = bound.prior(of: image, at: step) }
        }
      }
    }
    for (term, prior) in terms {
      sums.term += term / Double(size)
      sums.prior += prior / Double(size)
    }
    return sums
  }

  private func predict(_ x: Tensor, _ labels: [Int32], _ timestep: Float) -> Tensor {
    let timesteps = [Float](repeating: timestep, count: labels.count)
    guard let known = model.classes else { return model(x, timesteps: timesteps) }
    // Of an only class all images are.
    let classes = labels.map { known.count == 1 ? 0 : $0 < 0 ? nil : Int($0) }
    return model(x, timesteps: timesteps, conditioning: Conditioning(classes: classes))
  }

  /// Adds what all passes have found, in their order.
  ///
  /// - Throws: `EvaluationError` if that is no finite number.
  package func scores(of values: [Double]) throws -> DenoiserScores {
    var sums = [Sums](repeating: Sums(), count: steps.count)
    for index in 0..<passCount {
      let step = index % steps.count
      let own = values[index * Sums.count..<(index + 1) * Sums.count]
      sums[step].loss += own[own.startIndex]
      sums[step].term += own[own.startIndex + 1]
      sums[step].prior += own[own.startIndex + 2]
    }
    if let step = sums.firstIndex(where: { !($0.loss + $0.term + $0.prior).isFinite }) {
      throw EvaluationError(
        dataset.directory,
        "the model's prediction at timestep \(schedule.modelTimesteps[step]) holds NaN or infinity, though its weights do "
          + "not")
    }
    let count = Double(images.count)
    // From nats to bits.
    let scale = 1 / (count * log(2))
    return DenoiserScores(
      timesteps: schedule.modelTimesteps, images: images.count, losses: sums.map { $0.loss / count },
      bound: bound.map { _ in
        DenoiserScores.Bound(
          terms: sums.map { $0.term * scale }, prior: (sums.last?.prior ?? 0) * scale)
      })
  }
}
