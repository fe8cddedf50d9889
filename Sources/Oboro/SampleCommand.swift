import ArgumentParser
import Checkpoints
import Configuration
import Diffusion
import Files
import Foundation
import Generation
import Interchange
import MPI
import Pictures
import Reporting
import Tensors

/// `oboro sample`: draws images from a checkpoint.
struct Sample: ParallelCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw images with a trained model.",
    discussion: """
      Writes each image as a PNG, and all of them as grid.png. Image number i depends on the seed and on i alone. The \
      ranks of mpirun share the images.

      oboro sample --checkpoint runs/first --output samples --count 64 --gif
      oboro sample --checkpoint runs/digits --output samples --class all --guidance 3
      oboro sample --checkpoint ddpm-cifar10 --output samples --sampler unipc --steps 20 --format numpy
      oboro sample --checkpoint stable-diffusion --output samples --prompt "a red house" --count 4 --steps 30
      oboro sample --checkpoint stable-diffusion --output samples --prompt "snow" --image garden.png --strength 0.6
      oboro sample --checkpoint stable-diffusion --output samples --prompt "a fox" --adapter style.safetensors:0.8
      oboro sample --checkpoint controlled --output samples --prompt "a house" --control edges.png

      Of a model that knows classes, images are drawn of each class in turn unless --class names one. With --class \
      all the grid has a row for each class, and --count says how many images that is. Of a pipeline that reads texts, \
      image i is of prompt i, beginning anew behind the last; pictures say in their PNG text what they were drawn with.
      """)

  @Option(
    help: ArgumentHelp(
      "A checkpoint, a run directory, whose newest good checkpoint is taken, or a folder of diffusers' pipeline.",
      valueName: "path"))
  var checkpoint: String

  @Option(help: ArgumentHelp("The directory to write to, new or of an earlier call.", valueName: "dir"))
  var output: String

  @Option(
    help:
      "How many images; with --class all, of each class. (default: 36; 8 of each class; one of each prompt)")
  var count: Int?

  @Option(help: "A whole number, at least 0; another seed gives other images.")
  var seed: UInt64 = 0

  @OptionGroup var samplingOverrides: SamplingOverrides

  @OptionGroup var adapters: AdapterOptions

  @Option(
    help: ArgumentHelp(
      "Of a model that draws latents: where its autoencoder lies, if no longer where it was.", valueName: "path"))
  var autoencoder: String?

  @Option(
    help: "ema, the weights' moving average, the name of a further one, or model, the weights themselves.")
  var weights = StateSchema.ema

  @OptionGroup var prompts: PromptOptions

  @OptionGroup var startImage: StartImageOptions

  @OptionGroup var control: ControlOptions

  @Option(name: .customLong("class"), help: "The name or the number of the class to draw, or all.")
  var classChoice: ClassChoice?

  @Option(
    help: ArgumentHelp(
      "A safetensors file whose latents [B, C, H, W] take the place of the first noise: B images.",
      valueName: "file"))
  var latents: String?

  @Option(
    help:
      "png, pictures; numpy or hdf5, all images in one file, float32 [N, H, W, C] from -1 to 1, neither rounded nor clipped; fields in the units of their source and, in HDF5, by its names."
  )
  var format: SampleFormat = .png

  @Flag(help: "Write the way from noise to the images as an animation, denoising.gif.")
  var gif = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if latents != nil, case .all? = classChoice {
      throw ValidationError(
        "--class all draws so many images of each class, and --latents says how many there are")
    }
    if gif, format != .png { throw ValidationError("--gif is of --format png") }
    if let count, !(1...100_000).contains(count) {
      throw ValidationError("--count must be 1 to 100000, is \(count)")
    }
  }

  func run() throws {
    try runSession { session, environment in
      let threads = try session.world.agree { try threadOptions.count(environment: environment) }
      try draw(on: session.world, engine: Engine(threadCount: threads))
      return .done
    }
  }
<<<<<<< HEAD
=======

  private static let pictureChannels = [1, 3]

  /// Draws the images, each rank its part, and writes them on rank 0. Collective.
  private func draw(on communicator: Communicator, engine: Engine) throws {
    let isWriter = communicator.rank == 0
    let console = Console()
    let model = try SampledModel.load(
      checkpoint, weights: weights, overrides: samplingOverrides.overrides, autoencoder: autoencoder,
      engine: engine, on: communicator
    ) {
      console.print("oboro: \($0)")
    }
    let (sampling, count) = try communicator.agree { try self.sampling(model, engine: engine) }
    let folder: SampleFolder? = try communicator.agree { isWriter ? try SampleFolder(output) : nil }
    defer { folder?.abandon() }
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
      guard Self.pictureChannels.contains(shape[2]) else {
        try folder.commit()
        return try print(folder.path)
      }
      let pictures = sampling.pictures(images)
      if format == .png {
        for (index, picture) in pictures.enumerated() { try picture.writePNG(to: folder.newImage(index)) }
      }
      if let frames {
        try PictureAnimation(frames.map { sampling.grid(sampling.pictures($0)) })
          .writeGIF(to: folder.newAnimation)
      }
      try sampling.grid(pictures).writePNG(to: folder.newGrid)
      try folder.commit()
      try print(folder.grid)
    }
  }

  /// What to draw with, and how many images.
  private func sampling(_ trained: SampledModel, engine: Engine) throws -> (ImageSampling, count: Int) {
    let model = trained.model
    let latents = try latents.map { try LatentsFile($0, imageShape: trained.shape) }
    if let latents, let count, latents.count != count {
      throw ValidationError("--count is \(count), and --latents holds noise for \(latents.count) images")
    }
    let count = latents?.count ?? count
    let channels = trained.decoder?.imageShape(of: trained.shape)[2] ?? trained.shape[2]
    guard format != .png || Self.pictureChannels.contains(channels) else {
      throw ValidationError(
        "the model draws images of \(channels) channels, and pictures have 1 or 3: --format numpy or "
          + "hdf5 writes the numbers")
    }
    let choice: SampleClasses.Choice
    let total: Int
    switch classChoice {
    case nil: (choice, total) = (.inTurn, count ?? 36)
    case .one(let named):
      (choice, total) = (.one(try named.label(of: trained.classNames)), count ?? 36)
    case .all: (choice, total) = (.each(images: count ?? 8), (count ?? 8) * (model.classes?.count ?? 1))
    }
    let classes = SampleClasses(choice)
    try classes.check(model, guidance: trained.plan.guidance.scale)
    let sampling = ImageSampling(
      model: model, sampler: SamplingLoop(trained.plan, seed: seed),
      weights: trained.weights, shape: trained.shape, classes: classes, decoder: trained.decoder,
      latents: latents?.values, engine: engine)
    return (sampling, total)
  }
>>>>>>> acc54d2 (Draw fields in the units of their source, and describe latents)
}

/// A model that draws what are no numbers.
struct NonFiniteSampleError: Error, CustomStringConvertible, ExitStatusProviding {
  let path: String
  let image: Int

  var description: String {
    "\(path): the model draws no numbers: image \(image) holds NaN or infinity, though its weights do not. Nothing was "
      + "written"
  }
  var exitStatus: ExitStatus { .badData }
}
