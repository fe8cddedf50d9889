import ArgumentParser
import Checkpoints
import Files
import Interchange
import Reporting
import Settings

/// `oboro convert`: converts weights to and from PyTorch.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn a checkpoint into a safetensors file for PyTorch, or the reverse.",
    discussion: """
      The file is the state dict of the model's PyTorch class: load_state_dict(strict=True) takes it.

      oboro convert runs/first first.safetensors
      oboro convert first.safetensors restored
      oboro convert runs/first pipeline --format diffusers
      oboro convert stable-diffusion copy --format diffusers
      oboro convert v1-5.safetensors stable-diffusion --format diffusers --tokenizer bpe_simple_vocab_16e6.txt.gz

      A file made elsewhere needs --config, which names its model; prefixes such as module. and ema_model., which \
      PyTorch's wrappers add, are recognised. To train on from it, make it the first checkpoint of a run:

      oboro convert theirs.safetensors runs/next/checkpoints/step-00000000 --config next.yaml
      oboro train --config next.yaml --output runs/next
      """)

  static let fileType = ".safetensors"

  @Argument(
    help: ArgumentHelp(
      "A checkpoint, a run directory (its newest good checkpoint), or a safetensors file.", valueName: "in"))
  var input: String

  @Argument(help: ArgumentHelp("A safetensors file, or the directory of a new checkpoint.", valueName: "out"))
  var output: String

  @Option(
    help:
      "Of a checkpoint: ema, the weights' moving average, which samples are drawn with, the name of a further one, or model, the weights themselves."
  )
  var weights = StateSchema.ema

  /// The output format of a conversion.
  enum Format: String, CaseIterable, ExpressibleByArgument {
    case oboro
    case safetensors
    case diffusers
    case peft
    case kohya
  }

  @Option(
    help:
      "What to make: safetensors, one file; diffusers, a folder that its DDPMPipeline (of an autoencoder or a control network its class, of a run on latents and captions its StableDiffusionPipeline) loads, or of an adapter a file for load_lora_weights; oboro, a checkpoint; of an adapter peft, or kohya for the names of kohya's scripts and LyCORIS. (default: by the names; of an adapter peft)"
  )
  var format: Format?

  @Flag(help: "Of an adapter's run, or with --adapter: the model with the adapter merged into its weights.")
  var merge = false

  @OptionGroup var adapters: AdapterOptions

  @Option(
    help: ArgumentHelp(
      "Of Stable Diffusion in one file: its tokeniser's folder, or CLIP's merges file.", valueName: "path"))
  var tokenizer: String?

  @Option(help: ArgumentHelp("Of a file made elsewhere: its configuration.", valueName: "file"))
  var config: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Overrides a key of the configuration, or of Stable Diffusion in one file one of unet, vae, text_encoder and scheduler; may be repeated.",
      valueName: "key=value"))
  var overrides: [String] = []

  @Option(
    help: ArgumentHelp(
      "Of a file made elsewhere: its images, such as 28x28 (height x width).", valueName: "HxW"))
  var size: String?

  func validate() throws {
    if try validateAdapter() { return }
    guard isExport || isForeign else {
      throw ValidationError(
        "one of \(input) and \(output) must be a file that ends in \(Self.fileType), or a folder of diffusers"
      )
    }
    if format == .safetensors, !output.hasSuffix(Self.fileType) {
      throw ValidationError("\(output) must end in \(Self.fileType)")
    }
    if isSingleFile {
      guard tokenizer != nil else {
        throw ValidationError("\(input) has no tokeniser, which the folder needs: name one with --tokenizer")
      }
      guard config == nil, size == nil else {
        throw ValidationError("--config and --size are for making a checkpoint; --set changes what is found")
      }
      return
    }
    if tokenizer != nil {
      throw ValidationError("--tokenizer is for Stable Diffusion in one file, with --format diffusers")
    }
    guard !(isExport && isForeign) || PipelineFolder.isOne(input) && format == .diffusers else {
      throw ValidationError("\(input) and \(output) are both weights for PyTorch: one must be a checkpoint")
    }
    if isExport && (config != nil || size != nil || !overrides.isEmpty) {
      throw ValidationError("--config, --set and --size are for making a checkpoint: \(input) has its own")
    }
    if config == nil && ControlFolder.isOne(input) {
      throw ValidationError(
        "\(input) is a control network: name a configuration with --config, whose base it controls")
    }
    if config == nil && !overrides.isEmpty { throw ValidationError("--set needs --config") }
    _ = try size.map(ImageSides.init)
  }

  private var isExport: Bool {
    switch format {
    case .safetensors, .diffusers, .peft, .kohya: true
    case .oboro: false
    case nil: output.hasSuffix(Self.fileType)
    }
  }
  /// Whether the input is a complete Stable Diffusion in one file.
  private var isSingleFile: Bool { input.hasSuffix(Self.fileType) && format == .diffusers }
  /// Whether the input was made by, or for, another program.
  var isForeign: Bool {
    input.hasSuffix(Self.fileType) || PipelineFolder.isOne(input) || ControlFolder.isOne(input)
  }

  func run() throws {
    if try convertAdapter() {
      if !WholeFile.isStandardOutput(output) { try print(output) }
      return
    }
    if isSingleFile {
      let file = try CompVisFile(input)
      try file.write(tokenizer: tokenizer ?? "", overrides: overrides, to: output)
      if !file.unused.isEmpty {
        Console().print("oboro: left out: \(file.unused.joined(separator: ", "))")
      }
    } else if PipelineFolder.isOne(input), format == .diffusers {
      let folder = try PipelineFolder(input)
      if !folder.unused.isEmpty {
        Console().print("oboro: left out: \(folder.unused.joined(separator: ", "))")
      }
      try folder.write(to: output)
    } else if isExport {
      let console = Console()
      try Checkpoint.read(at: input) {
        console.print("oboro: passed over: \($0)")
      } _: { checkpoint in
        if format == .diffusers {
          try PipelineFolder.export(checkpoint, weights: .weights(named: weights), to: output)
        } else {
          try Conversion.export(checkpoint, weights: .weights(named: weights), to: output)
        }
      }
    } else {
      let node = try config.map { try SettingsNode(contentsOfFile: $0).applying(overrides: overrides) }
      let sides = try size.map(ImageSides.init).map { (height: $0.height, width: $0.width) }
      if let node, ControlFolder.isOne(input) {
        try Conversion.makeCheckpoint(
          from: ControlFolder(input), configuration: node, size: sides, in: output)
      } else if PipelineFolder.isOne(input) {
        try Conversion.makeCheckpoint(
          from: PipelineFolder(input), configuration: node, size: sides, in: output)
      } else {
        try Conversion.makeCheckpoint(from: input, configuration: node, size: sides, in: output)
      }
    }
    if !WholeFile.isStandardOutput(output) { try print(output) }
  }
}
