import Datasets
import Diffusion
import Evaluation
import Foundation
import Generation
import Interchange
import Kernels
import MPI
import Models
import Pictures
import Tensors

/// Images drawn by a trained model for evaluation. Each rank holds its part.
struct DrawnImages: EvaluatedImages {
  let path: String
  let count: Int
  let type: FieldType
  private let shape: ImageShape
  /// The prompt of each image, for a model with text conditioning.
  let texts: [String]?
  /// The number of this rank's first image.
  private let first: Int
  /// [n, H, W, C], about in [-1, 1].
  private let values: [Float]

  /// Whether `path` is a run, a checkpoint or a pipeline folder, and not a dataset or a folder of pictures.
  static func areOf(_ path: String) -> Bool {
    func holds(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }
    return !holds(DatasetManifest.fileName)
      && (holds("config.yaml") || holds("manifest.json") && holds("model.h5") || PipelineFolder.isOne(path))
  }

  /// Draws `count` images, cycling through the classes, as `oboro sample` does; each rank draws its part.
  ///
  /// - Parameters:
  ///   - path: the name of the model in messages.
  ///   - type: the type of the images' values: `uint8` and `uint16` round the drawn values, others keep them.
  ///   - progress: called with the number of evaluations done, and their total.
  /// - Throws: `SamplingError`, `NonFiniteSampleError`, errors of `SampleClasses.check`.
  init(
    _ model: SampledModel, path: String, count: Int, type: FieldType, seed: UInt64, rank: Int, of size: Int,
    engine: Engine, progress: (_ done: Int, _ total: Int) -> Void
  ) throws {
    let own = EvaluatedSet.part(of: count, rank, size)
    let conditions = SampleConditions(prompts: model.prompts)
    try conditions.check(model.model, guidance: model.plan.guidance.scale)
    guard model.controls.isEmpty else {
      throw ModelError("\(path) draws by an image that controls it, and evaluation has none")
    }
    let sampling = ImageSampling(
      model: model.model, sampler: SamplingLoop(model.plan, seed: seed), weights: model.weights,
      precision: model.precision,
      shape: model.shape, conditions: conditions, decoder: model.decoder, engine: engine)
    let total = own.count * sampling.steps
    values = sampling.images(own) { done, _, _ in progress(done, total) }
    let imageShape = sampling.imageShape
    shape = ImageShape(height: imageShape[0], width: imageShape[1], channels: imageShape[2])
    if let wrong = values.firstIndex(where: { !$0.isFinite }) {
      throw NonFiniteSampleError(path: path, image: own.lowerBound + wrong / shape.count)
    }
    (self.path, first) = (path, own.lowerBound)
    texts = model.prompts.map { prompts in (0..<count).map { prompts.text($0) } }
    (self.count, self.type) = (count, type)
  }

  private func values(of index: Int) -> ArraySlice<Float> {
    values[(index - first) * shape.count..<(index - first + 1) * shape.count]
  }

  func picture(_ index: Int) throws -> Picture {
    guard shape.channels == 1 || shape.channels == 3 else {
      throw NoPictureError(path: path, channels: shape.channels)
    }
    return Picture(
      width: shape.width, height: shape.height, channels: shape.channels, signed: values(of: index))
  }

  func read(_ index: Int, shape: ImageShape, into values: UnsafeMutableBufferPointer<Float>) throws {
    let own = self.values(of: index)
    switch type {
    case .uint8, .uint16:
      // Rounded as in a file.
      let greatest: Float = type == .uint8 ? 255 : 65_535
      for (place, value) in own.enumerated() {
        values[place] = min(max(((value + 1) * greatest / 2).rounded(), 0), greatest) / greatest
      }
    default: _ = values.update(fromContentsOf: own)
    }
  }

  func commonShape(pool: ThreadPool) -> ImageShape { shape }
}

/// A run's images that Inception-v3 cannot process.
struct NoPictureError: Error, CustomStringConvertible, ExitStatusProviding {
  let path: String
  let channels: Int

  var description: String {
    "\(path): draws images of \(channels) channels; Inception-v3 sees pictures of 1 or 3: leave --features away to compare "
      + "the values"
  }
  var exitStatus: ExitStatus { .badData }
}
