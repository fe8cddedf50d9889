import ArgumentParser
import Datasets
import Encoding
import Interchange
import MPI
import Reporting
import Tensors

/// `oboro encode`: makes a dataset of latents, for latent-space denoisers.
struct Encode: ParallelCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset of an autoencoder's latents.",
    discussion: """
      Of each image the mean and the standard deviation of its latents are stored, so that training draws from them anew \
      in each step; labels, captions and other fields are carried along. What brings latents to unit variance is measured, \
      and stored in dataset.json. The ranks of mpirun share the images.

      Called again, it encodes only what is missing or has changed: after an interruption, with images that were added, \
      with another autoencoder. The same images, autoencoder and options give the same bytes, on any number of ranks.

      oboro encode --autoencoder runs/autoencoder --dataset data/fashion-mnist --output data/fashion-mnist-latents
      mpirun -n 4 oboro encode --autoencoder vae --dataset data/photos --output data/photos-latents --flips
      """)

  @Option(
    help: ArgumentHelp(
      "A run that trained an autoencoder, one of its checkpoints, a safetensors file made by oboro convert, or a folder of diffusers' AutoencoderKL or of a pipeline with one.",
      valueName: "path"))
  var autoencoder: String

  @Option(help: ArgumentHelp("The dataset of images.", valueName: "dir"))
  var dataset: String

  @Option(
    help: ArgumentHelp("The directory to make, or that holds an earlier encoding.", valueName: "dir"))
  var output: String

  @Option(help: "How means and deviations are stored: float16 takes half the room.")
  var type = EncodingOptions.ElementType.float32

  @Flag(help: "Also store the latents of the mirrored images, for dataset.horizontal_flip.")
  var flips = false

  @Option(help: "Images that go through the autoencoder together; changes speed and memory only.")
  var batch = 16

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if !(1...65_536).contains(batch) { throw ValidationError("--batch must be 1 to 65536, is \(batch)") }
  }

  func run() throws {
    try runSession { session, environment in
      let threads = try session.world.agree { try threadOptions.count(environment: environment) }
      try encode(on: session.world, threads: threads)
      return .done
    }
  }

  private func encode(on communicator: Communicator, threads: Int) throws {
    let console = Console()
    let frozen = try FrozenAutoencoder.load(autoencoder, on: communicator) {
      console.print("oboro: passed over: \($0)")
    }
    let encoding = try communicator.agree {
      let source = try ShardedDataset(directory: dataset)
      try source.check(part: communicator.rank, of: communicator.size)
      let encoder = LatentEncoder(
        model: frozen.model, weights: frozen.weights, path: frozen.path, digest: frozen.digest,
        engine: Engine(threadCount: threads))
      return try DatasetEncoding(
        source, by: encoder, EncodingOptions(type: type, withFlips: flips, batch: batch), to: output)
    }
    var bar: ProgressBar?
    defer { bar?.finish() }
    let outcome = try encoding.run(on: communicator) {
      console.print("oboro: \($0)")
    } progress: { done, total in
      guard communicator.rank == 0 else { return }
      let shown = bar ?? ProgressBar("encode", total: total, console: console)
      shown.update(done)
      bar = shown
    }
    bar?.finish()
    bar = nil
    try communicator.agree {
      guard communicator.rank == 0 else { return }
      try print(summary(outcome))
    }
  }

  private func summary(_ outcome: DatasetEncoding.Outcome) -> String {
    let manifest = outcome.manifest
    var lines = [
      "\(output): \(manifest.name), split \(manifest.split)",
      outcome.encoded == 0
        ? "  nothing to encode: all \(manifest.count) samples are there"
        : "  \(outcome.encoded) of \(manifest.count) samples encoded",
    ]
    if let field = manifest.field(.latentMean), let encoding = manifest.encoding {
      let shape = field.shape.map { "\($0)" }.joined(separator: " x ")
      lines.append("  latents of \(shape), \(field.type.rawValue), scaling factor \(encoding.scalingFactor)")
    }
    return lines.joined(separator: "\n")
  }
}

extension EncodingOptions.ElementType: ExpressibleByArgument {}
