import ArgumentParser
import Checkpoints
import Foundation
import Kernels
import MPI
import Reporting
import Tensors

/// `oboro evaluate`: compares generated images with a reference set, or evaluates a model on a dataset.
struct Evaluate: ParallelCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Compare generated images with a reference set, or measure a model on a dataset.",
    discussion: """
      Of two sets: FID, KID, precision, recall, density and coverage; with --clip also CMMD, and the CLIP score of what is \
      generated. Each set is a folder of PNG, JPEG, WebP, GIF or BMP pictures, a dataset, an array of features [N, D] in \
      NumPy's format (.npy), or a run or a folder of diffusers' pipeline, whose images are drawn as oboro sample draws \
      them, of captions if it reads texts. Of a model: the variational bound in bits per dimension, and the loss at each timestep. \
      The ranks of mpirun share the work; the result is the same for any number of ranks and threads.

      oboro evaluate --generated samples --reference data/fashion-mnist
      oboro evaluate --generated samples --reference data/photos --features inception.safetensors --json
      oboro evaluate --generated runs/first --reference data/fashion-mnist --count 5000 --steps 50
      oboro evaluate --generated runs/emoji-unet --reference data/emoji-test --clip runs/emoji-clip
      oboro evaluate --checkpoint runs/first --dataset data/fashion-mnist-test --count 200

      Features are those of Inception-v3 if --features names its weights (Docs/Evaluation.md says how to make that file), \
      else the pixels themselves, of which numbers are comparable only within one dataset.
      """)

  @Option(help: ArgumentHelp("The images to judge, or their features.", valueName: "path"))
  var generated: String?

  @Option(help: ArgumentHelp("The images that they should be like, or their features.", valueName: "path"))
  var reference: String?

  @Option(
    help: ArgumentHelp(
      "Inception-v3's weights, safetensors; the pixels are the features if not given.", valueName: "file"))
  var features: String?

  @Option(
    help: ArgumentHelp(
      "A run of clip, or a folder of transformers' CLIPModel with its tokenizer: CLIP scores and CMMD are by its "
        + "embeddings. With it --reference may be left out.", valueName: "path"))
  var clip: String?

  @Option(
    help: ArgumentHelp(
      "The dataset whose captions a model that reads texts draws, or that pictures are of, in its order. (default: the "
        + "prompts that oboro sample has written into the pictures; the other set's captions)",
      valueName: "dir"))
  var captions: String?

  @Option(
    help: ArgumentHelp(
      "The model to measure: a checkpoint, or a run directory, whose newest good checkpoint is taken.",
      valueName: "path"))
  var checkpoint: String?

  @Option(help: ArgumentHelp("The dataset to measure it on.", valueName: "dir"))
  var dataset: String?

  @Option(
    help: ArgumentHelp(
      "How many timesteps to measure at, spread evenly; the bound is then that of so many steps. If not given, all, or 100 "
        + "where time is continuous.",
      valueName: "k"))
  var timesteps: Int?

  @Option(
    help: ArgumentHelp(
      "With --dataset: how many of its images to look at, spread evenly over it. Of a run or pipeline: how many to draw; no more than "
        + "the other set has if not given.", valueName: "n"))
  var count: Int?

  /// The default limit on `--count`.
  static let defaultCount = 1000

  @OptionGroup var samplingOverrides: SamplingOverrides

  @Option(help: "Another seed draws other images, or measures with other noise.")
  var seed: UInt64 = 0

  @Option(
    help:
      "Of a model: ema, the weights' moving average, the name of a further one, or model, the weights themselves."
  )
  var weights = StateSchema.ema

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    for (option, value) in [("count", count), ("timesteps", timesteps)] {
      if let value, value < 1 { throw ValidationError("--\(option) must be at least 1, is \(value)") }
    }
    let sets = [("--generated", generated), ("--reference", reference)]
    let model = [("--checkpoint", checkpoint), ("--dataset", dataset)]
    let (ofSets, ofModel) = (sets.contains { $0.1 != nil }, model.contains { $0.1 != nil })
    guard ofSets != ofModel else {
      throw ValidationError(
        (ofSets ? "two sets are compared, or a model is measured, not both: " : "nothing to evaluate: ")
          + "give --generated and --reference, or --checkpoint and --dataset")
    }
    let isOptional = ofSets && clip != nil && generated != nil
    if !isOptional, let missing = (ofSets ? sets : model).first(where: { $0.1 == nil }) {
      throw ValidationError(
        "Missing expected argument '\(missing.0) <\(missing.0 == "--dataset" ? "dir" : "path")>'")
    }
    let useless: [(String, Bool)] =
      ofSets
      ? [
        ("--timesteps goes with --checkpoint", timesteps != nil),
        ("--features compares with --reference", features != nil && reference == nil),
      ]
      : [
        ("--features goes with --generated and --reference", features != nil),
        ("--clip goes with --generated", clip != nil), ("--captions goes with --generated", captions != nil),
      ]
        + samplingOverrides.given.map { option in
          let hint = option == "--steps" ? "; --timesteps may be meant" : ""
          return ("\(option) goes with the run of --generated or --reference\(hint)", true)
        }
    if let mistake = useless.first(where: \.1) { throw ValidationError(mistake.0) }
  }

  func run() throws {
    try runSession { session, environment in
      let threads = try session.world.agree { try threadOptions.count(environment: environment) }
      let engine = Engine(threadCount: threads)
      if let generated {
        try compare(generated, reference, on: session.world, engine)
      } else if let checkpoint, let dataset {
        try measure(checkpoint, dataset, on: session.world, engine)
      }
      return .done
    }
  }
}
