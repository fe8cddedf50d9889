import Checkpoints
import Configuration
import Diffusion
import Files
import Foundation
import Layers
import Models
import Safetensors
import Settings
import Tensors

extension PipelineFolder {
  /// Writes the weights of a checkpoint as a folder for diffusers' `DDPMPipeline.from_pretrained`, or those of an
  /// autoencoder or a control network as one for `from_pretrained` of `AutoencoderKL` or `ControlNetModel`. A run on
  /// latents and captions is written for `StableDiffusionPipeline.from_pretrained`.
  ///
  /// - Parameter directory: must not exist yet; it appears when it is complete.
  /// - Throws: `ModelFileError` for a network or a process that diffusers does not have; `FileError`,
  ///   `CheckpointError`.
  public static func export(
    _ checkpoint: Checkpoint, weights which: StateMember, to directory: String
  ) throws {
    guard !FileManager.default.fileExists(atPath: directory) else {
      throw FileError("create", directory, code: EEXIST)
    }
    let manifest = checkpoint.manifest
    let configuration = try TrainingConfiguration(manifest.configuration)
    if case .autoencoder(let section) = configuration.task {
      return try AutoencoderFolder.export(checkpoint, section.model, weights: which, to: directory)
    }
    if case .control(let section) = configuration.task {
      return try ControlFolder.export(checkpoint, section.network, weights: which, to: directory)
    }
    guard manifest.texts == nil else {
      return try StableDiffusionParts(checkpoint, weights: which).write(to: directory)
    }
    let section = manifest.configuration["model"] ?? .empty
    guard case .scalar(let kind)? = section["kind"]?.content,
      let className = DenoiserKind(rawValue: kind.text)?.className
    else {
      throw ModelFileError(
        checkpoint.directory, "diffusers has no network of its kind; --format safetensors takes any")
    }
    guard try configuration.requireDiffusion().fields == nil else {
      throw ModelFileError(
        checkpoint.directory,
        "sees fields beside an image, which DDPMPipeline has none of; --format safetensors takes any network")
    }
    let network = try section.published(as: className, of: checkpoint.directory)
    let anyProcess = try configuration.requireDiffusion().process
    guard let process = anyProcess as? DDPMProcess else {
      throw ModelFileError(
        checkpoint.directory,
        "DDPMPipeline samples the process ddpm, and this is \(anyProcess.kind.rawValue)")
    }
    let scheduler = try SchedulerConfiguration(of: process)
    try whole(directory) { temporary in
      try write(
        [
          Name.pipelineClass: "DDPMPipeline",
          Name.unet: [SettingsNode(Name.library), SettingsNode(className)],
          Name.scheduler: [SettingsNode(Name.library), SettingsNode(scheduler.schedulerClass.rawValue)],
        ], to: "\(temporary)/\(Name.index)")
      let network = network.setting(Name.size, to: SettingsNode(Array(manifest.imageShape.prefix(2))))
      try write(network, to: "\(temporary)/\(Name.unet)/\(Name.configuration)")
      try write(scheduler.resolved, to: "\(temporary)/\(Name.scheduler)/\(Name.schedulerConfiguration)")
      let layout = configuration.model.parameters
      var file = SafetensorsWriter(metadata: ["format": "pt"])
      StateDict.add(
        layout, from: try checkpoint.modelWeights(which, configuration), batches: manifest.step, to: &file)
      try file.write(to: "\(temporary)/\(Name.unet)/\(Name.weights).safetensors")
    }
  }

  static func write(_ node: SettingsNode, to file: String) throws {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", folder, cause: error)
    }
    try WholeFile.write(Data((node.json + "\n").utf8), to: file)
  }
}
