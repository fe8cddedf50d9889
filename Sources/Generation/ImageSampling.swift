import Datasets
import Diffusion
import Kernels
import MPI
import Models
import Pictures
import Tensors

/// Draws images with a model's weights, as pictures.
public struct ImageSampling: Preview {
  private let model: any Denoiser
  private let sampler: SamplingLoop
  private let weights: PassWeights
  /// [H, W, C] of the model's output.
  private let shape: [Int]
  private let conditions: SampleConditions
  /// Decodes the output of a model of latents.
  private let decoder: LatentDecoder?
  /// Replaces the initial noise of the images: [n, H, W, C], of unit variance.
  private let latents: [Float]?
  /// The image from which sampling starts, instead of pure noise.
  private let startImage: StartImage?
  /// The control networks.
  private let controls: [SampleControl]
  /// The field of the images, if they are not pictures.
  private let field: Field?
  private let engine: Engine

  /// Images per model evaluation: enough to keep the threads busy, few enough to limit memory.
  private var imagesPerPass: Int { max(1, min(32, (1 << 15) / (shape[0] * shape[1]))) }

  /// - Parameters:
  ///   - shape: [H, W, C] of the model's output: images or, with a decoder, their latents.
  ///   - latents: replaces the initial noise, [n, H, W, C], of unit variance.
  ///   - field: the field of the images; nil, or a field of bytes, means pictures.
  public init(
    model: any Denoiser, sampler: SamplingLoop, weights: PassWeights, shape: [Int],
    conditions: SampleConditions = SampleConditions(), decoder: LatentDecoder? = nil,
    latents: [Float]? = nil, startImage: StartImage? = nil, controls: [SampleControl] = [],
    field: Field? = nil, engine: Engine
  ) {
    self.model = model
    self.sampler = sampler
    self.weights = weights
    self.shape = shape
    self.conditions = conditions
    self.decoder = decoder
    self.latents = latents
    self.startImage = startImage
    self.controls = controls
    self.field = field.flatMap { $0.isPlotted ? $0 : nil }
    self.engine = engine
  }

  /// Uses the model's weights as they are.
  public init(
    model: any Denoiser, sampler: SamplingLoop, weights: ParameterBuffer,
    precision: ProductPrecision = .float32, shape: [Int],
    conditions: SampleConditions = SampleConditions(), decoder: LatentDecoder? = nil,
    latents: [Float]? = nil, startImage: StartImage? = nil, controls: [SampleControl] = [],
    field: Field? = nil, engine: Engine
  ) {
    self.init(
      model: model, sampler: sampler,
      weights: PassWeights(weights, of: model.parameters.set, precision: precision), shape: shape,
      conditions: conditions, decoder: decoder, latents: latents, startImage: startImage, controls: controls,
      field: field, engine: engine)
  }

  /// The number of model evaluations per image.
  public var steps: Int {
    let first = startImage.map { sampler.plan.firstEvaluation(strength: $0.strength) } ?? 0
    return sampler.plan.evaluations.count - first
  }

  /// [H, W, C] of the images.
  public var imageShape: [Int] { decoder?.imageShape(of: shape) ?? shape }

  /// The images for the model's output [n, H, W, C].
  public func decoded(_ drawn: some Collection<Float>) -> [Float] {
    decoder?.images(of: drawn, shape: shape) ?? Array(drawn)
  }

  /// Draws the images numbered `samples`, consecutively [n, H, W, C].
  ///
  /// - Parameter onStep: called with how many of the `samples.count * steps` evaluations are done, and with the current
  ///   state of the pass's images.
  public func images(
    _ samples: Range<Int>,
    onStep: (_ done: Int, _ pass: Range<Int>, _ images: UnsafeBufferPointer<Float>) throws -> Void
  ) rethrows -> [Float] {
    var images: [Float] = []
    images.reserveCapacity(samples.count * imageShape.reduce(1, *))
    var start = samples.lowerBound
    while start < samples.upperBound {
      let pass = start..<min(start + imagesPerPass, samples.upperBound)
      let drawn = try sampler.sample(
        shape: shape, samples: pass, threads: engine.threads, start: beginning(of: pass),
        onStep: { progress in
          try progress.images.withUnsafeBufferPointer { now in
            try onStep((start - samples.lowerBound) * steps + progress.done * pass.count, pass, now)
          }
        },
        predict: { outputs(for: $0, timestep: $1, $2, samples: pass) })
      images += decoded(drawn)
      start = pass.upperBound
    }
    return images
  }

  /// The starting point of the images numbered `pass`.
  private func beginning(of pass: Range<Int>) -> SamplingStart {
    let size = shape.reduce(1, *)
    let noise = latents.map { Array($0[pass.lowerBound * size..<pass.upperBound * size]) }
    guard let startImage else { return noise.map { .latents($0) } ?? .noise }
    return startImage.start(pass.count, noise: noise)
  }

  /// The model's outputs for x [n, H, W, C]; with a second pass, followed by those without conditions.
  private func outputs(
    for x: UnsafeBufferPointer<Float>, timestep: Float, _ pass: GuidancePass, samples: Range<Int>
  ) -> [Float] {
    let tape = weights.tape(on: engine, beside: controls.map(\.bound))
    let noisy = tape.input([samples.count] + shape)
    _ = noisy.elements.update(from: x)
    let timesteps = [Float](repeating: timestep, count: samples.count)
    func output(_ conditioning: Conditioning) -> [Float] {
      var conditioning = conditioning
      let residuals = controls.map {
        $0.residuals(noisy, timesteps: timesteps, conditioning, samples: samples)
      }
      conditioning.control = residuals.isEmpty ? nil : .sum(residuals)
      return Array(model(noisy, timesteps: timesteps, conditioning: conditioning).elements)
    }
    let conditional = output(conditions.conditioning(model, samples, on: tape))
    guard pass == .conditionalAndUnconditional else { return conditional }
    return conditional + output(conditions.unconditional(samples, on: tape))
  }

  public func drawn(_ samples: Range<Int>, onStep: () throws -> Void) throws -> [Float] {
    try images(samples) { _, _, _ in try onStep() }
  }

  /// Pictures in a grid; fields get a colour scale.
  public func grid(_ values: [Float]) throws -> Picture {
    let grid = try grid(pictures(values))
    return try field.map { grid.above(try .scale(of: values, $0, width: grid.width)) } ?? grid
  }

  /// Whether the images can be shown as pictures.
  public var canBeShown: Bool { field != nil || imageShape[2] == 1 || imageShape[2] == 3 }

  /// Images numbered 0..<count [count, H, W, C] on rank 0, nil elsewhere; each rank draws its part. Collective.
  ///
  /// - Parameter onStep: like that of `images(_:onStep:)`, for this rank's part.
  /// - Throws: `MPIError`; errors of `onStep`, which must throw the same on all ranks at once.
  public func images(
    count: Int, on communicator: Communicator,
    onStep: (_ done: Int, _ pass: Range<Int>, _ images: UnsafeBufferPointer<Float>) throws -> Void = {
      _, _, _ in
    }
  ) throws -> [Float]? {
    let own = Self.part(of: count, rank: communicator.rank, worldSize: communicator.size)
    return try communicator.gather(try images(own, onStep: onStep), root: 0).map { $0.flatMap { $0 } }
  }

  /// The number of calls of `onStep` on the rank that draws the most of `count` images.
  public func steps(count: Int, worldSize: Int) -> Int {
    let most = (count + worldSize - 1) / worldSize
    return (most + imagesPerPass - 1) / imagesPerPass * steps
  }

  /// The range of images that a rank draws.
  public static func part(of count: Int, rank: Int, worldSize: Int) -> Range<Int> {
    count * rank / worldSize..<count * (rank + 1) / worldSize
  }

  /// Each image of `images` [n, H, W, C] as a picture.
  public func pictures(_ images: some RandomAccessCollection<Float>) -> [Picture] {
    field == nil ? Picture.all(of: images, shape: imageShape) : Picture.plots(of: images, shape: imageShape)
  }

  /// The pictures in a grid, enlarged so that small ones are legible. When classes alternate, each has a column; when
  /// each has consecutive images, a row. Prompts are printed below their pictures.
  ///
  /// - Throws: `PictureError` if there is not enough memory to write prompts.
  private func grid(_ pictures: [Picture]) throws -> Picture {
    var columns: Int?
    if let known = model.classes, known.count > 1 {
      switch conditions.classes.choice {
      case .inTurn: columns = min(known.count, pictures.count)
      case .each(let images): columns = images
      case .one, .listed: break
      }
    }
    let prompts = conditions.prompts
    if let count = prompts?.texts.count, count > 1 { columns = min(count, pictures.count) }
    let grid = ImageGrid(
      columns: columns,
      enlargement: ImageGrid.enlargement(
        of: pictures[0].width, pictures[0].height, toAtLeast: prompts == nil ? 64 : 128))
    guard let prompts else { return grid.compose(pictures) }
    return try grid.compose(pictures, captions: pictures.indices.map(prompts.text))
  }
}
