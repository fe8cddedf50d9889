import Diffusion
import Files
import Foundation
import Layers
import Safetensors
import Settings
import Tensors
import Text

/// The parts of diffusers' `StableDiffusionPipeline`, to be written to a folder.
struct StableDiffusionParts {
  /// A network.
  struct Component {
    /// The content of `config.json`.
    let configuration: SettingsNode
    let layout: ParameterLayout
    let weights: ParameterBuffer

    /// Keys that are our own, or state an original weight type: weights are written as float32.
    private static let others = ["kind", "dtype", "torch_dtype"]

    /// - Parameters:
    ///   - section: the section `model` of a configuration that describes it.
    ///   - keys: entries that replace or extend those of the section.
    init(
      _ section: SettingsNode, _ keys: [(String, SettingsNode)], _ layout: ParameterLayout,
      _ weights: ParameterBuffer
    ) {
      let own = SettingsNode(.section((section.entries ?? []).filter { !Self.others.contains($0.key) }))
      configuration = keys.reduce(own) { $0.setting($1.0, to: $1.1) }
      self.layout = layout
      self.weights = weights
    }
  }

  enum Class {
    static let denoiser = "UNet2DConditionModel"
    static let autoencoder = "AutoencoderKL"
    static let textEncoder = "CLIPTextModel"
  }

  /// The keys by which transformers recognises a text encoder.
  static let textEncoderKeys: [(String, SettingsNode)] = [
    ("architectures", SettingsNode([Class.textEncoder])), ("model_type", "clip_text_model"),
  ]

  let denoiser: Component
  let autoencoder: Component
  let textEncoder: Component
  let tokenizer: CLIPTokenizer
  let scheduler: SchedulerConfiguration

  /// transformers' prefix for the names of a text encoder's tensors, in files that all its versions accept.
  private static let textPrefix = "text_model."
  private static let offset = "steps_offset"

  /// Writes the folder.
  ///
  /// - Parameter directory: must not exist yet; it appears when it is complete.
  /// - Throws: `FileError`.
  func write(to directory: String) throws {
    typealias Name = PipelineFolder.Name
    guard !FileManager.default.fileExists(atPath: directory) else {
      throw FileError("create", directory, code: EEXIST)
    }
    try PipelineFolder.whole(directory) { temporary in
      try PipelineFolder.write(index, to: "\(temporary)/\(Name.index)")
      for (component, name, stem, prefix) in [
        (denoiser, Name.unet, Name.weights, ""), (autoencoder, Name.autoencoder, Name.weights, ""),
        (textEncoder, Name.textEncoder, Name.textWeights, Self.textPrefix),
      ] {
        let folder = "\(temporary)/\(name)"
        try PipelineFolder.write(component.configuration, to: "\(folder)/\(Name.configuration)")
        var file = SafetensorsWriter(metadata: ["format": "pt"])
        let names = component.layout.fileTensors.map { ($0.name, prefix + $0.name) }
        StateDict.add(
          component.layout, from: component.weights, batches: 0, to: &file,
          names: Dictionary(uniqueKeysWithValues: names))
        try file.write(to: "\(folder)/\(stem).safetensors")
      }
      try tokenizer.write(toFolder: "\(temporary)/\(Name.tokenizer)")
      try PipelineFolder.write(
        schedulerNode, to: "\(temporary)/\(Name.scheduler)/\(Name.schedulerConfiguration)")
    }
  }

  /// The pipeline overrides any offset of `leading` spacing other than 1 with 1.
  private var schedulerNode: SettingsNode {
    let node = scheduler.resolved
    return node[Self.offset] == nil ? node : node.setting(Self.offset, to: 1)
  }

  private var index: SettingsNode {
    typealias Name = PipelineFolder.Name
    func entry(_ library: String, _ name: String) -> SettingsNode {
      [SettingsNode(library), SettingsNode(name)]
    }
    let none = SettingsNode(.list([.null, .null]))
    return [
      Name.pipelineClass: "StableDiffusionPipeline", "feature_extractor": none, "image_encoder": none,
      "requires_safety_checker": false, "safety_checker": none,
      Name.scheduler: entry(Name.library, scheduler.schedulerClass.rawValue),
      Name.textEncoder: entry("transformers", Class.textEncoder),
      Name.tokenizer: entry("transformers", "CLIPTokenizer"),
      Name.unet: entry(Name.library, Class.denoiser),
      Name.autoencoder: entry(Name.library, Class.autoencoder),
    ]
  }
}
