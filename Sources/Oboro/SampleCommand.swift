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

  enum Sampler: String, CaseIterable, ExpressibleByArgument {
    case ancestral
  }

  @Option(
    help: ArgumentHelp(
      "A checkpoint, or a run directory, whose newest good checkpoint is taken.", valueName: "path"))
  var checkpoint: String

  /// The value of `--class`.
  enum ClassChoice: ExpressibleByArgument {
    case one(Int)
    case all

    init?(argument: String) {
      if argument == "all" {
        self = .all
      } else if let number = Int(argument), number >= 0 {
        self = .one(number)
      } else {
        return nil
      }
    }
  }

  @Option(help: ArgumentHelp("The directory to write to, new or of an earlier call.", valueName: "dir"))
  var output: String

  @Option(help: "How many images; with --class all, of each class. (default: 36; 8 of each class)")
  var count: Int?

  @Option(help: "Another seed gives other images.")
  var seed: UInt64 = 0

  @Option(help: "How many of the diffusion timesteps to visit; all if not given.")
  var steps: Int?

  @Option(help: "How to go from noise to an image.")
  var sampler: Sampler = .ancestral

  @Option(help: "ema, the weights' moving average, or model, the weights themselves.")
  var weights: Checkpoint.Weights = .ema

  @Option(name: .customLong("class"), help: "The number of the class to draw, or all.")
  var classChoice: ClassChoice?

  @Option(
    help: "Scale of classifier-free guidance: 1 for none; more for images that are more like their class.")
  var guidance: Float = 1

  @Flag(help: "Write the way from noise to the images as an animation, denoising.gif.")
  var gif = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if let count, !(1...100_000).contains(count) {
      throw ValidationError("--count must be 1 to 100000, is \(count)")
    }
    if !guidance.isFinite { throw ValidationError("--guidance must be a number, is \(guidance)") }
    if let steps, steps < 1 { throw ValidationError("--steps must be at least 1, is \(steps)") }
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
    let model = try TrainedModel.load(checkpoint, weights, on: communicator) {
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
    let timesteps = configuration.diffusion.schedule.timesteps
    if let steps, steps > timesteps {
      throw ValidationError("--steps must be at most the \(timesteps) timesteps of the model, is \(steps)")
    }
    let model = configuration.model
    let choice: SampleClasses.Choice
    let total: Int
    switch classChoice {
    case nil: (choice, total) = (.inTurn, count ?? 36)
    case .one(let number): (choice, total) = (.one(number), count ?? 36)
    case .all: (choice, total) = (.each(images: count ?? 8), (count ?? 8) * (model.classes?.count ?? 1))
    }
    let classes = SampleClasses(choice, guidance: guidance)
    try classes.check(model)
    let sampling = ImageSampling(
      model: model,
      sampler: AncestralSampler(process: configuration.diffusion, steps: steps, seed: seed),
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

extension Checkpoint.Weights: ExpressibleByArgument {}
