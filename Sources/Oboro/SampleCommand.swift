import ArgumentParser
import Diffusion
import Files
import Foundation
import MPI
import Pictures
import Reporting
import Tensors
import Training

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
  var weights: Checkpoint.Weights = .average

  @Option(name: .customLong("class"), help: "The number of the class to draw, or all.")
  var classChoice: ClassChoice?

  @Option(
    help: "Scale of classifier-free guidance: 1 for none; more for images that are more like their class.")
  var guidance: Float = 1

  @Flag(help: "Write the way from noise to the images as an animation, denoising.gif.")
  var gif = false

  @OptionGroup var threadOptions: ThreadOptions

  /// Images that an animation shows at most, and moments that it shows them at.
  private static let animatedImages = 16
  private static let animationFrames = 60

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
    let (sampling, count, folder) = try communicator.agree {
      let (sampling, count) = try load(threads: threads) { problem in
        if isWriter { console.print("oboro: passed over: \(problem)") }
      }
      return (sampling, count, isWriter ? try SampleFolder(output) : nil)
    }
    let own = ImageSampling.part(of: count, rank: communicator.rank, worldSize: communicator.size).count
    let bar = isWriter ? ProgressBar("sample", total: own * sampling.steps, console: console) : nil
    var frames: [Picture] = []
    let images = try sampling.images(count: count, on: communicator) { done, pass, now in
      bar?.update(done, fields: ["\(count) images, \(sampling.steps) steps each"])
      let step = done / pass.count
      let interval = max(sampling.steps / Self.animationFrames, 1)
      if gif && pass.lowerBound == 0 && (step % interval == 0 || step == sampling.steps) {
        let shown = now.prefix(min(Self.animatedImages, pass.count) * (now.count / pass.count))
        frames.append(sampling.grid(sampling.pictures(shown)))
      }
    }
    bar?.finish()

    try communicator.agree {
      guard let images, let folder else { return }
      try folder.clear()
      let pictures = sampling.pictures(images)
      for (index, picture) in pictures.enumerated() { try picture.writePNG(to: folder.image(index)) }
      if gif { try PictureAnimation(frames).writeGIF(to: folder.animation) }
      try sampling.grid(pictures).writePNG(to: folder.grid)
      print(folder.grid)
    }
  }

  /// What to draw with, and how many images.
  private func load(
    threads: Int, onDamage: (CheckpointError) -> Void
  ) throws -> (ImageSampling, count: Int) {
    let checkpoint = try Checkpoint.find(at: checkpoint, onDamage: onDamage)
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    if let steps, let process = configuration.diffusion as? DDPMProcess, steps > process.schedule.timesteps {
      throw ValidationError(
        "--steps must be at most the \(process.schedule.timesteps) timesteps of the model, is \(steps)")
    }
    let plan = try SamplingPlan(
      process: configuration.diffusion, options: SamplingOptions(sampler: .ddpm, steps: steps))
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
      sampler: SamplingLoop(plan, seed: seed),
      weights: try checkpoint.weights(weights, layout: model.parameters),
      imageShape: checkpoint.manifest.imageShape, classes: classes, engine: Engine(threadCount: threads))
    return (sampling, total)
  }
}

extension Checkpoint.Weights: ExpressibleByArgument {}
