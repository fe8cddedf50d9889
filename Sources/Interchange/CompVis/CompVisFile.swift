import Diffusion
import Files
import Foundation
import Layers
import Models
import Safetensors
import Settings
import Tensors
import Text

/// A complete Stable Diffusion 1 in one safetensors file, as used by its original program (CompVis) and most user
/// interfaces.
///
/// The file describes its networks only by the names and shapes of tensors, from which their settings are inferred. The
/// remaining settings are Stable Diffusion's: eight attention heads, 32 groups, the scaled-linear schedule.
public struct CompVisFile {
  private let file: SafetensorsFile
  private typealias Prefix = CompVisNames.Prefix

  /// - Throws: `ModelFileError` for another file, or one with an unsupported text encoder; `SafetensorsError`,
  ///   `FileError`.
  public init(_ path: String) throws {
    file = try SafetensorsFile(path: path)
    guard file.names.contains(where: { $0.hasPrefix(Prefix.denoiser) }) else {
      throw ModelFileError(
        path,
        "is no file of Stable Diffusion's original program: none of its tensors is named \(Prefix.denoiser)..."
      )
    }
    guard !file.names.contains(where: { $0.hasPrefix(Prefix.openTextEncoder) }) else {
      throw ModelFileError(
        path,
        "has the text encoder of Stable Diffusion 2 (\(Prefix.openTextEncoder)...), which is not read here: convert it with "
          + "diffusers")
    }
  }

  /// Tensors that are not used here, such as the averaged weights.
  public var unused: [String] {
    let prefixes = [Prefix.denoiser, Prefix.autoencoder, Prefix.textEncoder]
    let names = file.names.filter { name in
      !prefixes.contains { name.hasPrefix($0) } && !Self.buffers.contains(name)
    }
    return Set(names.map { String($0.prefix { $0 != "." }) }).sorted()
  }

  /// Tensors in which the original program stores its noise schedule.
  private static let buffers: Set = [
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod",
    "posterior_variance", "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2",
    "logvar", "model_ema.decay", "model_ema.num_updates",
  ]

  /// Writes a diffusers folder.
  ///
  /// - Parameters:
  ///   - tokenizer: the path of the tokeniser, which the file does not contain.
  ///   - overrides: `PART.KEY=VALUE` for the settings of `unet`, `vae`, `text_encoder` and `scheduler`.
  ///   - directory: must not exist yet; it appears when it is complete.
  /// - Throws: `ModelFileError` naming tensors that are missing, unused or of another shape; `SettingsError`,
  ///   `TokenizerError`, `SafetensorsError`, `FileError`.
  public func write(tokenizer path: String, overrides: [String], to directory: String) throws {
    guard !FileManager.default.fileExists(atPath: directory) else {
      throw FileError("create", directory, code: EEXIST)
    }
    let settings = try SettingsNode.empty.applying(overrides: overrides)
    if let other = settings.entries?.first(where: { !Self.parts.contains($0.key) }) {
      throw SettingsError(path: other.key, "expected a key of \(Self.parts.joined(separator: ", "))")
    }
    func section(_ part: String, _ found: SettingsNode) -> SettingsNode {
      (settings[part]?.entries ?? []).reduce(found) { $0.setting($1.key, to: $1.node) }
    }
    typealias Name = PipelineFolder.Name
    let (unet, attendsUp, layers) = try denoiser()
    let denoiserSection = section(Name.unet, unet)
    let model = try network(denoiserSection, "unet") { try DenoiserKind.model($0) }
    let (vae, resolutions) = try autoencoder()
    let autoencoderSection = section(Name.autoencoder, vae)
    let decoder = try network(autoencoderSection, "vae") { try AutoencoderKind.model($0) }
    let textSection = section(Name.textEncoder, try textEncoder())
    let encoder = try network(textSection, "text_encoder") { try TextEncoderKind.model($0) }
    // The original merges file does not define padding: Stable Diffusion 1 pads with the end token.
    let read = try CLIPTokenizer(path: path)
    let tokenizer = read.padding(with: read.endToken)
    try PipelineText.requireFit(tokenizer, encoder, path)

    func weights(_ layout: ParameterLayout, _ prefix: String, _ name: (String) -> String) throws
      -> ParameterBuffer
    {
      try StateDict.weights(of: layout, in: RenamedTensors(file, prefix: prefix, layout, name))
    }
    let parts = StableDiffusionParts(
      denoiser: .init(
        denoiserSection, [(Name.pipelineClass, SettingsNode(StableDiffusionParts.Class.denoiser))],
        model.parameters,
        try weights(model.parameters, Prefix.denoiser) {
          CompVisNames.denoiser($0, layers: layers, attendsUp: attendsUp)
        }),
      autoencoder: .init(
        autoencoderSection, [(Name.pipelineClass, SettingsNode(StableDiffusionParts.Class.autoencoder))],
        decoder.parameters,
        try weights(decoder.parameters, Prefix.autoencoder) {
          CompVisNames.autoencoder($0, resolutions: resolutions)
        }),
      textEncoder: .init(
        textSection, StableDiffusionParts.textEncoderKeys,
        encoder.parameters, try weights(encoder.parameters, Prefix.textEncoder, CompVisNames.textEncoder)),
      tokenizer: tokenizer,
      scheduler: try SchedulerConfiguration(section(Name.scheduler, Self.scheduler)))
    try parts.write(to: directory)
  }

  private static let parts = [
    PipelineFolder.Name.unet, PipelineFolder.Name.autoencoder, PipelineFolder.Name.textEncoder,
    PipelineFolder.Name.scheduler,
  ]

  /// Stable Diffusion 1's noise schedule, in the class of its sampler.
  private static let scheduler: SettingsNode = [
    "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": false, "set_alpha_to_one": false,
    "steps_offset": 1, "prediction_type": "epsilon",
  ]

  private func network<Network>(
    _ section: SettingsNode, _ part: String, _ make: (SettingsReader) throws -> Network
  ) throws -> Network {
    let reader = try SettingsReader(section, path: part)
    let network = try make(reader)
    try reader.finish()
    return network
  }

  // MARK: Settings inferred from shapes

  private func shape(_ name: String) throws -> [Int] {
    guard file.contains(name) else { throw ModelFileError(file.path, "lacks \(name)") }
    return try file.shape(of: name)
  }

  /// The number of consecutive tensors `name(0)`, `name(1)`, ...
  private func count(_ name: (Int) -> String) -> Int {
    var count = 0
    while file.contains(name(count)) { count += 1 }
    return count
  }

  /// The settings of the U-Net; whether its up blocks have attention, from the lowest resolution; and the number of
  /// residual blocks per resolution.
  private func denoiser() throws -> (SettingsNode, attendsUp: [Bool], layers: Int) {
    let input = Prefix.denoiser + "input_blocks."
    let output = Prefix.denoiser + "output_blocks."
    func isDownsampling(_ block: Int) -> Bool { file.contains("\(input)\(block).0.op.weight") }
    let blocks =
      1
      + count { block in
        "\(input)\(block + 1).0.\(isDownsampling(block + 1) ? "op" : "in_layers.0").weight"
      }
    let downsamplings = (0..<blocks).filter(isDownsampling)
    let layers = (downsamplings.first ?? blocks) - 1
    let resolutions = downsamplings.count + 1
    guard layers > 0, blocks == resolutions * (layers + 1) else {
      throw ModelFileError(
        file.path,
        "its U-Net's input_blocks are not as many at each resolution: \(blocks) in \(resolutions) resolutions"
      )
    }
    let first = (0..<resolutions).map { 1 + $0 * (layers + 1) }
    let attends = first.map { file.contains("\(input)\($0).1.norm.weight") }
    let attendsUp = (0..<resolutions).map { file.contains("\(output)\($0 * (layers + 1)).1.norm.weight") }
    let middle = Prefix.denoiser + "middle_block.1."
    let depth = count { "\(middle)transformer_blocks.\($0).norm1.weight" }
    let (entrance, exit) = (try shape("\(input)0.0.weight"), try shape(Prefix.denoiser + "out.2.weight"))
    let section: SettingsNode = [
      "kind": SettingsNode(DenoiserKind.unetCondition.rawValue),
      "in_channels": SettingsNode(entrance[1]), "out_channels": SettingsNode(exit[0]),
      "block_out_channels": SettingsNode(
        try first.map { try shape("\(input)\($0).0.out_layers.3.weight")[0] }),
      "layers_per_block": SettingsNode(layers),
      "down_block_types": SettingsNode(attends.map { $0 ? "CrossAttnDownBlock2D" : "DownBlock2D" }),
      "up_block_types": SettingsNode(attendsUp.map { $0 ? "CrossAttnUpBlock2D" : "UpBlock2D" }),
      "cross_attention_dim": SettingsNode(try shape("\(middle)transformer_blocks.0.attn2.to_k.weight")[1]),
      "transformer_layers_per_block": SettingsNode(depth),
      "use_linear_projection": SettingsNode(try shape("\(middle)proj_in.weight").count == 2),
      "attention_head_dim": 8, "sample_size": 64,
    ]
    return (section, attendsUp, layers)
  }

  private func autoencoder() throws -> (SettingsNode, resolutions: Int) {
    let encoder = Prefix.autoencoder + "encoder."
    let resolutions = count { "\(encoder)down.\($0).block.0.conv1.weight" }
    let section: SettingsNode = [
      "kind": SettingsNode(AutoencoderKind.kl.rawValue),
      "in_channels": SettingsNode(try shape("\(encoder)conv_in.weight")[1]),
      "out_channels": SettingsNode(try shape(Prefix.autoencoder + "decoder.conv_out.weight")[0]),
      "block_out_channels": SettingsNode(
        try (0..<resolutions).map { try shape("\(encoder)down.\($0).block.0.conv1.weight")[0] }),
      "layers_per_block": SettingsNode(count { "\(encoder)down.0.block.\($0).conv1.weight" }),
      "down_block_types": SettingsNode([String](repeating: "DownEncoderBlock2D", count: resolutions)),
      "up_block_types": SettingsNode([String](repeating: "UpDecoderBlock2D", count: resolutions)),
      "latent_channels": SettingsNode(try shape("\(encoder)conv_out.weight")[0] / 2),
      "scaling_factor": 0.18215, "sample_size": SettingsNode(64 << max(resolutions - 1, 0)),
    ]
    return (section, resolutions)
  }

  private func textEncoder() throws -> SettingsNode {
    func name(_ name: String) -> String { CompVisNames.textEncoder(name) }
    func layer(_ index: Int) -> String { name("encoder.layers.\(index).layer_norm1.weight") }
    let embedding = try shape(name("embeddings.token_embedding.weight"))
    return [
      "kind": SettingsNode(TextEncoderKind.clipText.rawValue),
      "vocab_size": SettingsNode(embedding[0]), "hidden_size": SettingsNode(embedding[1]),
      "max_position_embeddings": SettingsNode(try shape(name("embeddings.position_embedding.weight"))[0]),
      "num_hidden_layers": SettingsNode(count(layer)),
      "num_attention_heads": SettingsNode(max(embedding[1] / 64, 1)),
      "intermediate_size": SettingsNode(try shape(name("encoder.layers.0.mlp.fc1.weight"))[0]),
      "hidden_act": "quick_gelu", "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    ]
  }
}

/// The tensors of one part of a file under other names.
private struct RenamedTensors: TensorSource {
  private let file: SafetensorsFile
  /// A tensor's name in the file, and its shape here.
  private let places: [String: (name: String, shape: [Int])]
  let names: [String]

  var path: String { file.path }

  /// - Parameters:
  ///   - prefix: the prefix of the part's names.
  ///   - name: maps the name of a tensor of the layout to that in the file.
  init(_ file: SafetensorsFile, prefix: String, _ layout: ParameterLayout, _ name: (String) -> String) throws
  {
    self.file = file
    var places: [String: (name: String, shape: [Int])] = [:]
    var used: Set<String> = []
    for tensor in layout.fileTensors {
      let stored = name(tensor.name)
      guard file.contains(stored) else { continue }
      used.insert(stored)
      let found = try file.shape(of: stored)
      // Linear layers of attention are 1x1 convolutions in the file.
      let isConvolution = tensor.shape.count == 2 && found == tensor.shape + [1, 1]
      places[tensor.name] = (stored, isConvolution ? tensor.shape : found)
    }
    for stored in file.names where stored.hasPrefix(prefix) && !used.contains(stored) {
      // Skips position indices, and the networks of the autoencoder's training loss.
      guard !stored.hasSuffix(".position_ids"), !stored.hasPrefix("\(prefix)loss.") else { continue }
      places[stored] = (stored, try file.shape(of: stored))
    }
    self.places = places
    names = places.keys.sorted()
  }

  func shape(of name: String) throws -> [Int] { try place(name).shape }
  func floats(_ name: String) throws -> [Float] { try file.floats(place(name).name) }

  private func place(_ name: String) throws -> (name: String, shape: [Int]) {
    guard let place = places[name] else { throw ModelFileError(path, "lacks \(name)") }
    return place
  }
}
