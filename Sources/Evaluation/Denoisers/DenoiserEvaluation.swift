import Datasets
import Diffusion
import Foundation
import Kernels
import MPI
import Models
import Randomness
import Tensors

/// Computes the training loss of a denoiser at each timestep, and the variational bound for a discrete process.
///
/// The work is divided into passes of a few images at one timestep, always the same ones, which are distributed over
/// the ranks. The noise of an image is determined by (seed, image, timestep). So the result is the same for any number
/// of ranks and threads.
public struct DenoiserEvaluation {
  private let model: any Denoiser
  private let weights: ParameterBuffer
  private let process: any DiffusionProcess
  private let seed: UInt64
  private let dataset: ShardedDataset
  /// The indices in the dataset of the evaluated images.
  private let images: [Int]
  private let imageField: Int
  /// The scaling of latents, whose means are evaluated; nil for images.
  private let scaling: LatentScaling?
  private let labelField: Int?
  private let shape: ImageShape
  private let bound: VariationalBound?
  /// The noise levels at which losses are computed, in order of increasing noise.
  private let levels: [NoiseLevel]
  /// Numbers that distinguish the noise of an image at each of `levels`.
  private let noiseSteps: [Int]
  /// The reverse steps at `levels`, for the terms of the bound.
  private let steps: [ReverseStep]
  private let imagesPerPass: Int

  /// Image values per pass: enough to keep the threads busy, few enough to limit memory.
  private static let valuesPerPass = 1 << 17
  private static let mostImagesPerPass = 32
  /// The default number of timesteps evaluated in continuous time.
  private static let continuousTimesteps = 100

  /// The maximum number of timesteps that can be evaluated.
  public static func mostTimesteps(of process: any DiffusionProcess) -> Int {
    (process as? DDPMProcess)?.schedule.timesteps ?? 100_000
  }

  /// - Parameters:
  ///   - scaling: the scaling of the dataset's latents; nil if it holds images. Latents are floating-point numbers, so
  ///     there is no bound in bits for them.
  ///   - count: how many images to evaluate, spread evenly over the dataset; nil, or more than it has, evaluates all.
  ///   - timesteps: how many timesteps K to evaluate, at most `mostTimesteps(of:)`. For a discrete process they are
  ///     spread evenly over its T, nil selects all, and the bound is that of the process with K steps (Nichol and
  ///     Dhariwal, 2021, section 4). In continuous time they are the quantiles (k + 1/2) / K of the training
  ///     distribution, and nil selects 100.
  /// - Throws: `DatasetError` for a dataset without images; `ModelError` or `EvaluationError` for one that does not fit
  ///   the model.
  public init(
    model: any Denoiser, weights: ParameterBuffer, process: any DiffusionProcess, dataset: ShardedDataset,
    scaling: LatentScaling? = nil, count: Int? = nil, timesteps: Int? = nil, seed: UInt64
  ) throws {
    let latents = scaling == nil ? nil : dataset.manifest.field(.latentMean)
    guard scaling == nil || latents != nil else {
      throw EvaluationError(
        dataset.directory, "holds no latents, which the model draws: make them with oboro encode")
    }
    try model.requireNoFields()
    let field = try latents ?? dataset.requireImages()
    try model.check(height: field.shape[0], width: field.shape[1], channels: field.shape[2])
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
    self.dataset = dataset
    self.scaling = scaling
    self.seed = seed
    images = (0..<chosen).map { $0 * total / chosen }
    imageField = try dataset.index(of: field.name)
    labelField = dataset.fields.firstIndex { $0.role == .label }
    shape = ImageShape(height: field.shape[0], width: field.shape[1], channels: field.shape[2])
    if let process = process as? DDPMProcess {
      let schedule = timesteps.map { process.schedule.respaced(to: $0) } ?? process.schedule
      // The plain loss: neither weighted, nor with the term that trains variances.
      let visited = DDPMProcess(
        schedule: schedule, prediction: process.prediction, variance: process.variance, loss: process.loss,
        boundWeight: 0)
      self.process = visited
      levels = (0..<schedule.timesteps).map { visited.level(at: $0) }
      noiseSteps = schedule.modelTimesteps
      bound =
        switch field.type {
        case .uint8: VariationalBound(halfStep: 1 / 255)
        case .uint16: VariationalBound(halfStep: 1 / 65_535)
        default: nil
        }
      steps = bound == nil ? [] : (0..<schedule.timesteps).map { ReverseStep(visited, $0) }
    } else {
      let count = timesteps ?? Self.continuousTimesteps
      self.process = process
      levels = (0..<count).map { process.level(atQuantile: (Double($0) + 0.5) / Double(count)) }
      noiseSteps = Array(0..<count)
      bound = nil
      steps = []
    }
    imagesPerPass = max(1, min(Self.mostImagesPerPass, Self.valuesPerPass / shape.count))
  }

  /// Some images at one timestep.
  private struct Pass {
    let images: Range<Int>
    let level: Int
  }

  /// Sums over the values of a pass's images: of the loss, of the bound's term and, at the last timestep, of the prior,
  /// each per value.
  private struct Sums {
    var loss = 0.0
    var term = 0.0
    var prior = 0.0

    static let count = 3
    var values: [Double] { [loss, term, prior] }
  }

  /// The number of passes; those over the same images are consecutive.
  private var passCount: Int { (images.count + imagesPerPass - 1) / imagesPerPass * levels.count }

  private func pass(_ index: Int) -> Pass {
    let start = index / levels.count * imagesPerPass
    return Pass(
      images: start..<min(start + imagesPerPass, images.count), level: index % levels.count)
  }

  private func part(_ rank: Int, _ size: Int) -> Range<Int> {
    passCount * rank / size..<passCount * (rank + 1) / size
  }

  /// The number of passes that rank `rank` of `size` computes.
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

  /// The sums over the images of each of the passes `own`.
  package func sums(_ own: Range<Int>, engine: Engine, progress: (Int) -> Void = { _ in }) throws -> [Double]
  {
    var loaded: Samples?
    return try own.flatMap { index in
      let pass = pass(index)
      let samples: Samples
      if let loaded, loaded.range == pass.images { samples = loaded } else { samples = try load(pass.images) }
      loaded = samples
      defer { progress(index - own.lowerBound + 1) }
      return sums(samples, at: pass.level, engine).values
    }
  }

  /// Images of a pass.
  private struct Samples {
    /// The range among the evaluated images.
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
        if let scaling { for index in part.indices { part[index] = scaling.scaled(part[index]) } }
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
    let (size, count) = (shape.count, samples.range.count)
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let examples = samples.values.withUnsafeBufferPointer { values in
      process.examples(
        of: values, shape: [count, shape.height, shape.width, shape.channels],
        levels: [NoiseLevel](repeating: levels[index], count: count), on: tape
      ) { place, epsilon in
        RandomStream(
          seed: seed, purpose: .evaluation, step: noiseSteps[index],
          sample: images[samples.range.lowerBound + place]
        ).fillNormal(epsilon)
      }
    }
    let output = predict(examples, samples.labels)
    var sums = Sums(loss: process.loss(of: output, for: examples).samples.reduce(0, +))
    guard let bound else { return sums }
    let step = steps[index]
    let outputSize = output.count / count
    // One entry per image, to be added in order.
    var terms = [(term: Double, prior: Double)](repeating: (0, 0), count: count)
    terms.withUnsafeMutableBufferPointer { terms in
      samples.values.withUnsafeBufferPointer { images in
        engine.threads.parallel(count) { place, _ in
          let range = place * size..<(place + 1) * size
          let image = UnsafeBufferPointer(rebasing: images[range])
          terms[place].term = bound.term(
            of: image, noisy: UnsafeBufferPointer(rebasing: examples.noisy.elements[range]),
            output: UnsafeBufferPointer(
              rebasing: output.elements[place * outputSize..<(place + 1) * outputSize]),
            channels: shape.channels, at: step, isLast: index == 0)
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

  private func predict(_ examples: TrainingExamples, _ labels: [Int32]) -> Tensor {
    guard let known = model.classes else { return model(examples.noisy, timesteps: examples.timesteps) }
    // With a single class, all images belong to it.
    let classes = labels.map { known.count == 1 ? 0 : $0 < 0 ? nil : Int($0) }
    return model(
      examples.noisy, timesteps: examples.timesteps, conditioning: Conditioning(classes: classes))
  }

  /// Adds the sums of all passes in order.
  ///
  /// - Throws: `EvaluationError` if a result is not finite.
  package func scores(of values: [Double]) throws -> DenoiserScores {
    var sums = [Sums](repeating: Sums(), count: levels.count)
    for index in 0..<passCount {
      let level = index % levels.count
      let own = values[index * Sums.count..<(index + 1) * Sums.count]
      sums[level].loss += own[own.startIndex]
      sums[level].term += own[own.startIndex + 1]
      sums[level].prior += own[own.startIndex + 2]
    }
    if let level = sums.firstIndex(where: { !($0.loss + $0.term + $0.prior).isFinite }) {
      throw EvaluationError(
        dataset.directory,
        "the model's prediction at timestep \(DenoiserScores.text(of: levels[level].timestep)) holds NaN or infinity, though its weights do "
          + "not")
    }
    let count = Double(images.count)
    // From nats to bits.
    let scale = 1 / (count * log(2))
    return DenoiserScores(
      timesteps: levels.map(\.timestep), images: images.count, losses: sums.map { $0.loss / count },
      bound: bound.map { _ in
        DenoiserScores.Bound(
          terms: sums.map { $0.term * scale }, prior: (sums.last?.prior ?? 0) * scale)
      })
  }
}
