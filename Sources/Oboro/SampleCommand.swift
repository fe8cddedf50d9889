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
      """)

  enum Sampler: String, CaseIterable, ExpressibleByArgument {
    case ancestral
  }

  @Option(
    help: ArgumentHelp(
      "A checkpoint, or a run directory, whose newest good checkpoint is taken.", valueName: "path"))
  var checkpoint: String

  @Option(help: ArgumentHelp("The directory to write to, new or of an earlier call.", valueName: "dir"))
  var output: String

  @Option(help: "How many images.")
  var count = 36

  @Option(help: "Another seed gives other images.")
  var seed: UInt64 = 0

  @Option(help: "How many of the diffusion timesteps to visit; all if not given.")
  var steps: Int?

  @Option(help: "How to go from noise to an image.")
  var sampler: Sampler = .ancestral

  @Option(help: "ema, the weights' moving average, or model, the weights themselves.")
  var weights: Checkpoint.Weights = .average

  @Flag(help: "Write the way from noise to the images as an animation, denoising.gif.")
  var gif = false

  @OptionGroup var threadOptions: ThreadOptions

  /// Images that an animation shows at most, and moments that it shows them at.
  private static let animatedImages = 16
  private static let animationFrames = 60

  func validate() throws {
    if !(1...100_000).contains(count) { throw ValidationError("--count must be 1 to 100000, is \(count)") }
    if let steps, steps < 1 { throw ValidationError("--steps must be at least 1, is \(steps)") }
  }

  func run() throws {
    // MPI changes the environment.
    let environment = ProcessInfo.processInfo.environment
    let status = Session.run(program: "oboro", exitStatus: { Outcome.status(of: $0) }) { session in
      let threads = try session.world.agree { try threadOptions.count(environment: environment) }
      try draw(on: session.world, threads: threads)
      return ExitStatus.done.rawValue
    }
    guard status == 0 else { throw ExitCode(status) }
  }

  /// Draws the images, each rank its part, and writes them on rank 0. Collective.
  private func draw(on communicator: Communicator, threads: Int) throws {
    let isWriter = communicator.rank == 0
    let console = Console()
    let (sampling, folder) = try communicator.agree {
      let sampling = try load(threads: threads) { problem in
        if isWriter { console.print("oboro: passed over: \(problem)") }
      }
      return (sampling, isWriter ? try SampleFolder(output) : nil)
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
        frames.append(ImageSampling.grid(sampling.pictures(shown)))
      }
    }
    bar?.finish()

    try communicator.agree {
      guard let images, let folder else { return }
      try folder.clear()
      let pictures = sampling.pictures(images)
      for (index, picture) in pictures.enumerated() { try picture.writePNG(to: folder.image(index)) }
      if gif { try PictureAnimation(frames).writeGIF(to: folder.animation) }
      try ImageSampling.grid(pictures).writePNG(to: folder.grid)
      print(folder.grid)
    }
  }

  private func load(threads: Int, onDamage: (CheckpointError) -> Void) throws -> ImageSampling {
    let checkpoint = try Checkpoint.find(at: checkpoint, onDamage: onDamage)
    let configuration = try TrainingConfiguration(checkpoint.manifest.configuration)
    let timesteps = configuration.diffusion.schedule.timesteps
    if let steps, steps > timesteps {
      throw ValidationError("--steps must be at most the \(timesteps) timesteps of the model, is \(steps)")
    }
    return ImageSampling(
      model: configuration.model,
      sampler: AncestralSampler(process: configuration.diffusion, steps: steps, seed: seed),
      weights: try checkpoint.weights(weights, layout: configuration.model.parameters),
      imageShape: checkpoint.manifest.imageShape, engine: Engine(threadCount: threads))
  }
}

extension Checkpoint.Weights: ExpressibleByArgument {}
