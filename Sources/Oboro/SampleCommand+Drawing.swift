import ArgumentParser
import Diffusion
import Generation
import Interchange
import MPI
import Pictures
import Reporting
import Tensors

extension Sample {
  private static let pictureChannels = [1, 3]
  /// The default number of images.
  private static let usualCount = 36

  /// Draws the images, each rank its part, and writes them on rank 0. Collective.
  func draw(on communicator: Communicator, engine: Engine) throws {
    let isWriter = communicator.rank == 0
    let console = Console()
    let model = try SampledModel.load(
      checkpoint, weights: weights, adapters: adapters.sources, overrides: samplingOverrides.overrides,
      prompts: prompts.request, control: control, autoencoder: autoencoder, engine: engine, on: communicator
    ) {
      console.print("oboro: passed over: \($0)")
    }
    let (sampling, count) = try communicator.agree { try self.sampling(model, engine: engine) }
    let folder: SampleFolder? = try communicator.agree { isWriter ? try SampleFolder(output) : nil }
    defer { folder?.abandon() }
    for note in model.notes { console.print("oboro: \(note)") }
    let own = ImageSampling.part(of: count, rank: communicator.rank, worldSize: communicator.size)
    let bar = isWriter ? ProgressBar("sample", total: own.count * sampling.steps, console: console) : nil
    let shape = sampling.imageShape
    var animation = SampleAnimation(size: shape.reduce(1, *), steps: sampling.steps, samples: own)
    let images = try sampling.images(count: count, on: communicator) { done, pass, now in
      bar?.update(done, fields: ["\(count) images, \(sampling.steps) steps each"])
      if gif { animation.add(step: done / pass.count, pass: pass, now, image: sampling.decoded) }
    }
    bar?.finish()
    let frames = gif ? try animation.gathered(on: communicator) : nil

    try communicator.agree {
      guard let images, let folder else { return }
      let size = images.count / count
      if let wrong = images.firstIndex(where: { !$0.isFinite }) {
        throw NonFiniteSampleError(path: checkpoint, image: wrong / size)
      }
      if let name = format.fileName {
        try format.write(images, shape: [count] + shape, field: model.field, to: folder.new(name))
      }
      guard sampling.canBeShown else {
        try folder.commit()
        return try print(folder.path)
      }
      let pictures = sampling.pictures(images)
      if format == .png {
        let description = SampleDescription(model, seed: seed, latents: latents)
        for (index, picture) in pictures.enumerated() {
          try picture.writePNG(to: folder.newImage(index), texts: description.texts(of: index))
        }
      }
      if let frames {
        try PictureAnimation(frames.map { try sampling.grid($0) })
          .writeGIF(to: folder.newAnimation)
      }
      try sampling.grid(images).writePNG(to: folder.newGrid)
      try folder.commit()
      try print(folder.grid)
    }
  }

  /// The sampling setup, and the number of images.
  private func sampling(_ trained: SampledModel, engine: Engine) throws -> (ImageSampling, count: Int) {
    let model = trained.model
    let latents = try latents.map {
      try LatentsFile($0, imageShape: trained.shape, ofAnySize: trained.drawsOtherSizes)
    }
    if let latents, let count, latents.count != count {
      throw ValidationError("--count is \(count), and --latents holds noise for \(latents.count) images")
    }
    let start = try startImage.read(
      shape: trained.shape, decoder: trained.decoder, isAnySize: trained.drawsOtherSizes)
    let shape = start?.shape ?? latents?.imageShape ?? trained.shape
    if let latents, latents.imageShape != shape {
      throw ValidationError(
        "--latents holds noise of \(latents.imageShape) (height, width, channels), and --image needs \(shape)"
      )
    }
    try model.check(height: shape[0], width: shape[1], channels: shape[2])
    let channels = trained.decoder?.imageShape(of: shape)[2] ?? shape[2]
    guard format != .png || trained.field?.isPlotted == true || Self.pictureChannels.contains(channels) else {
      throw ValidationError(
        "the model draws images of \(channels) channels, and pictures have 1 or 3: --format numpy or "
          + "hdf5 writes the numbers")
    }
    let fields = try conditionFields.read(
      trained, shape: shape, limit: latents?.count ?? count ?? Self.usualCount)
    let (choice, total) = try choice(trained, count: latents?.count ?? count ?? fields?.count)
    let conditions = SampleConditions(
      classes: SampleClasses(choice), prompts: trained.prompts, fields: fields)
    try conditions.check(model, guidance: trained.plan.guidance.scale)
    let sampling = ImageSampling(
      model: model, sampler: SamplingLoop(trained.plan, seed: seed), weights: trained.weights,
      precision: trained.precision, shape: shape,
      conditions: conditions, decoder: trained.decoder, latents: latents?.values, startImage: start?.start,
      controls: try control.read(trained.controls, shape: shape, imageChannels: channels),
      field: trained.field,
      engine: engine)
    return (sampling, total)
  }

  /// The choice of classes, and the number of images.
  private func choice(
    _ trained: SampledModel, count: Int?
  ) throws -> (SampleClasses.Choice, total: Int) {
    switch classChoice {
    case nil: (.inTurn, count ?? trained.prompts?.texts.count ?? Self.usualCount)
    case .one(let named):
      (
        .one(try named.label(of: trained.classNames)),
        count ?? trained.prompts?.texts.count ?? Self.usualCount
      )
    case .all: (.each(images: count ?? 8), (count ?? 8) * (trained.model.classes?.count ?? 1))
    }
  }
}
