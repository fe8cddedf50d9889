import ArgumentParser
import Checkpoints
import Configuration
import Diffusion
import Files
import Foundation
import Generation
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

      Of a model that knows classes, images are drawn of each class in turn unless --class names one. With --class \
      all the grid has a row for each class, and --count says how many images that is.
      """)

  @Option(
    help: ArgumentHelp(
      "A checkpoint, or a run directory, whose newest good checkpoint is taken.", valueName: "path"))
  var checkpoint: String

  @Option(help: ArgumentHelp("The directory to write to, new or of an earlier call.", valueName: "dir"))
  var output: String

  @Option(help: "How many images; with --class all, of each class. (default: 36; 8 of each class)")
  var count: Int?

  @Option(help: "A whole number, at least 0; another seed gives other images.")
  var seed: UInt64 = 0

  @OptionGroup var samplingOverrides: SamplingOverrides

  @Option(
    help: "ema, the weights' moving average, the name of a further one, or model, the weights themselves.")
  var weights = StateSchema.ema

  @Option(name: .customLong("class"), help: "The name or the number of the class to draw, or all.")
  var classChoice: ClassChoice?

  @Flag(help: "Write the way from noise to the images as an animation, denoising.gif.")
  var gif = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if let count, !(1...100_000).contains(count) {
      throw ValidationError("--count must be 1 to 100000, is \(count)")
    }
  }

  func run() throws {
    try runSession { session, environment in
      let threads = try session.world.agree { try threadOptions.count(environment: environment) }
      try draw(on: session.world, threads: threads)
      return .done
    }
  }

  /// Draws the images, each rank its part, and writes them on rank 0. Collective.
  private func draw(on communicator: Communicator, threads: Int) throws {
    let isWriter = communicator.rank == 0
    let console = Console()
    let model = try TrainedModel.load(
      checkpoint, weights: weights, overrides: samplingOverrides.overrides, on: communicator
    ) {
      console.print("oboro: passed over: \($0)")
    }
    let (sampling, count) = try communicator.agree { try self.sampling(model, threads: threads) }
    let folder: SampleFolder? = try communicator.agree { isWriter ? try SampleFolder(output) : nil }
    defer { folder?.abandon() }
    let own = ImageSampling.part(of: count, rank: communicator.rank, worldSize: communicator.size)
    let bar = isWriter ? ProgressBar("sample", total: own.count * sampling.steps, console: console) : nil
    var animation = SampleAnimation(
      size: model.manifest.imageShape.reduce(1, *), steps: sampling.steps, samples: own)
    let images = try sampling.images(count: count, on: communicator) { done, pass, now in
      bar?.update(done, fields: ["\(count) images, \(sampling.steps) steps each"])
      if gif { animation.add(step: done / pass.count, pass: pass, now) }
    }
    bar?.finish()
    let frames = gif ? try animation.gathered(on: communicator) : nil

    try communicator.agree {
      guard let images, let folder else { return }
      let size = images.count / count
      if let wrong = images.firstIndex(where: { !$0.isFinite }) {
        throw NonFiniteSampleError(path: checkpoint, image: wrong / size)
      }
      let pictures = sampling.pictures(images)
      for (index, picture) in pictures.enumerated() { try picture.writePNG(to: folder.newImage(index)) }
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
  private func sampling(_ trained: TrainedModel, threads: Int) throws -> (ImageSampling, count: Int) {
    let configuration = trained.configuration
    let plan = try configuration.samplingPlan()
    let model = configuration.model
    let choice: SampleClasses.Choice
    let total: Int
    switch classChoice {
    case nil: (choice, total) = (.inTurn, count ?? 36)
    case .one(let named):
      (choice, total) = (.one(try named.label(of: trained.manifest.classNames)), count ?? 36)
    case .all: (choice, total) = (.each(images: count ?? 8), (count ?? 8) * (model.classes?.count ?? 1))
    }
    let classes = SampleClasses(choice)
    try classes.check(model, guidance: plan.guidance.scale)
    let sampling = ImageSampling(
      model: model, sampler: SamplingLoop(plan, seed: seed),
      weights: trained.weights, imageShape: trained.manifest.imageShape, classes: classes,
      engine: Engine(threadCount: threads))
    return (sampling, total)
  }
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
