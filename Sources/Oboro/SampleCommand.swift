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
      oboro sample --checkpoint runs/edges --output samples --control photo.png:0.8 --control-filter edges

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
      "Of a model that draws latents: where its autoencoder lies, if no longer where it was.",
      valueName: "path"))
  var autoencoder: String?

  @Option(
    help: "ema, the weights' moving average, the name of a further one, or model, the weights themselves.")
  var weights = StateSchema.ema

  @OptionGroup var prompts: PromptOptions

  @OptionGroup var startImage: StartImageOptions

  @OptionGroup var control: ControlOptions

  @OptionGroup var conditionFields: ConditionFieldOptions

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
}

/// A model that draws non-finite values.
struct NonFiniteSampleError: Error, CustomStringConvertible, ExitStatusProviding {
  let path: String
  let image: Int

  var description: String {
    "\(path): the model draws no numbers: image \(image) holds NaN or infinity, though its weights do not. Nothing was "
      + "written"
  }
  var exitStatus: ExitStatus { .badData }
}
