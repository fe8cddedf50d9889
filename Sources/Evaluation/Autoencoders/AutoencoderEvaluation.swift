import Datasets
import Foundation
import Kernels
import MPI
import Models
import Tensors

/// Measures the quality of an autoencoder's reconstructions, and the divergence of its latents from a normal
/// distribution.
///
/// Images are encoded one by one, to the means of their posteriors, without noise. So the result is the same for any
/// number of ranks and threads.
public struct AutoencoderEvaluation {
  private let model: AutoencoderKL
  private let weights: ParameterBuffer
  private let dataset: ShardedDataset
  /// The indices in the dataset of the evaluated images.
  private let images: [Int]
  private let field: Field
  private let fieldIndex: Int
  private let shape: ImageShape

  /// The window of structural similarity does not fit into smaller images.
  private static let leastSide = 11

  /// - Parameter count: how many images to evaluate, spread evenly over the dataset; nil, or more than it has,
  ///   evaluates all.
  /// - Throws: `DatasetError` for a dataset without images; `ModelError` or `EvaluationError` for one that does not fit
  ///   the autoencoder.
  public init(
    model: AutoencoderKL, weights: ParameterBuffer, dataset: ShardedDataset, count: Int? = nil
  ) throws {
    field = try dataset.requireImages()
    try model.check(height: dataset.height, width: dataset.width, channels: dataset.channels)
    guard field.type != .int32 else {
      throw EvaluationError(
        dataset.directory, "has images of int32, expected bytes, words or floating-point numbers")
    }
    let total = dataset.count
    let chosen = min(count ?? total, total)
    images = (0..<chosen).map { $0 * total / chosen }
    self.model = model
    self.weights = weights
    self.dataset = dataset
    fieldIndex = try dataset.index(of: field.name)
    shape = ImageShape(height: dataset.height, width: dataset.width, channels: dataset.channels)
  }

  private func part(_ rank: Int, _ size: Int) -> Range<Int> {
    images.count * rank / size..<images.count * (rank + 1) / size
  }

  /// The number of images that rank `rank` of `size` evaluates.
  public func images(rank: Int, of size: Int) -> Int { part(rank, size).count }

  /// The scores on rank 0, nil elsewhere. Collective.
  ///
  /// - Parameter progress: called with how many of this rank's images are done.
  /// - Throws: `CollectiveFailure` for images that cannot be read; `MPIError`.
  public func scores(
    engine: Engine, on communicator: Communicator, progress: (Int) -> Void = { _ in }
  ) throws -> AutoencoderScores? {
    let own = part(communicator.rank, communicator.size)
    let found = try communicator.agree {
      try own.flatMap { image in
        defer { progress(image - own.lowerBound + 1) }
        return try measures(of: images[image], engine)
      }
    }
    let all = try communicator.gather(found)
    return try communicator.agree { try all.map { try scores(of: $0.flatMap { $0 }) } }
  }

  /// The mean squared error, the structural similarity, and the divergence of each latent channel, for one image.
  private func measures(of index: Int, _ engine: Engine) throws -> [Double] {
    let image = try [Float](unsafeUninitializedCapacity: shape.count) { values, count in
      count = shape.count
      try dataset.read(
        index, field: fieldIndex, into: UnsafeMutableBufferPointer(rebasing: values[..<shape.count]))
    }
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    let input = tape.input([1, shape.height, shape.width, shape.channels])
    _ = input.elements.update(fromContentsOf: image)
    let posterior = model.encode(input)
    var reconstruction = Array(model.decode(posterior.mean).elements)
    // Picture values are limited to [-1, 1].
    if !field.type.isFloatingPoint { reconstruction = reconstruction.map { min(max($0, -1), 1) } }
    let error = zip(image, reconstruction).reduce(0.0) {
      let difference = Double($1.0) - Double($1.1)
      return $0 + difference * difference
    }
    let similarity =
      min(shape.height, shape.width) < Self.leastSide
      ? 0
      : try ImageSimilarity.structuralSimilarity(
        reconstruction, image, shape: (shape.height, shape.width, shape.channels), range: range)
    return [error / Double(shape.count), similarity] + divergences(of: posterior)
  }

  /// KL = 1/2 (μ² + σ² - 1 - ln σ²), summed over the pixels of each channel.
  private func divergences(of posterior: LatentDistribution) -> [Double] {
    var sums = [Double](repeating: 0, count: model.latentChannels)
    let (means, logVariances) = (posterior.mean.elements, posterior.logVariance.elements)
    for index in means.indices {
      let (mean, logVariance) = (Double(means[index]), Double(logVariances[index]))
      sums[index % sums.count] += 0.5 * (mean * mean + exp(logVariance) - 1 - logVariance)
    }
    return sums
  }

  /// The distance from the smallest to the largest value, in the network's units: 2 for pictures.
  private var range: Double {
    guard field.type.isFloatingPoint, let statistics = field.statistics else { return 2 }
    let spans = zip(statistics.maximum, statistics.minimum).map { $0 - $1 }
    let scales = field.normalization?.scale ?? spans.map { _ in 1 }
    return zip(spans, scales).map { $0 / $1 }.max() ?? 2
  }

  private func scores(of values: [Double]) throws -> AutoencoderScores {
    let size = 2 + model.latentChannels
    if let wrong = values.firstIndex(where: { !$0.isFinite }) {
      throw EvaluationError(
        dataset.directory,
        "what the autoencoder makes of image \(images[wrong / size]) holds NaN or infinity, though its weights do not"
      )
    }
    let count = Double(images.count)
    let means = (0..<size).map { place in
      stride(from: place, to: values.count, by: size).reduce(0.0) { $0 + values[$1] } / count
    }
    return AutoencoderScores(
      images: images.count, peakSignalToNoise: 10 * log10(range * range / means[0]),
      structuralSimilarity: min(shape.height, shape.width) < Self.leastSide ? nil : means[1],
      divergences: Array(means[2...]),
      latentPixels: shape.height / model.downsampling * (shape.width / model.downsampling))
  }
}
