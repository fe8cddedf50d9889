import Checkpoints
import Configuration
import Diffusion
import Layers
import Models
import Settings
import Text

/// What a base was trained with, other than its weights.
extension BaseModel {
  /// Completes a configuration with the process of this base and the scaling of its latents.
  ///
  /// - Throws: `ModelFileError` if the base stays frozen and the configuration names another process; `SettingsError`,
  ///   `CheckpointError`, `FileError`.
  func completingProcess(of configuration: SettingsNode) throws -> SettingsNode {
    var result = configuration
    let own = try self.configuration()
    if let process = own?[BaseProcess.key].map({ BaseProcess($0) }),
      let given = configuration.section(at: BaseProcess.key)
    {
      let section = process.completing(given)
      if Self.isFrozen(in: configuration) {
        let differences = try process.differences(from: section)
        guard differences.isEmpty else {
          throw ModelFileError(
            path,
            "was trained with another process than that of the configuration, and is not trained further: "
              + "\(differences.joined(separator: "; ")): leave these keys out")
        }
      }
      result = result.setting(BaseProcess.key, to: section)
    }
    if configuration[LatentSettings.section] != nil,
      let latents = configuration.section(at: LatentSettings.section),
      latents[LatentSettings.factor]?.isNull ?? true,
      let factor = latentFactor(own)
    {
      result = result.setting(LatentSettings.section, to: latents.setting(LatentSettings.factor, to: factor))
    }
    return result
  }

  private static func isFrozen(in configuration: SettingsNode) -> Bool {
    TaskSettings.trainsControl(configuration)
      || [AdapterSection.key, InversionSection.key].contains { !(configuration[$0]?.isNull ?? true) }
  }

  /// The factor of the latents that the base draws; nil for one that draws images, and if its source does not say.
  ///
  /// - Parameter configuration: what the base was trained with.
  private func latentFactor(_ configuration: SettingsNode?) -> SettingsNode? {
    if case .folder(let folder) = source {
      return folder.autoencoder.flatMap { Double("\($0.scalingFactor)") }.map { SettingsNode($0) }
    }
    let factor = configuration?[LatentSettings.path]
    return factor?.isNull == false ? factor : nil
  }

  /// The configuration that the base was trained with, or as much of it as its source says; nil for a file from
  /// elsewhere, and for a pipeline whose noise schedule has no name.
  ///
  /// - Throws: `SettingsError`, `CheckpointError`, `FileError`.
  func configuration() throws -> SettingsNode? {
    switch source {
    case .file(let file): try Conversion.writtenConfiguration(file)
    case .folder(let folder): try folder.namedConfiguration()
    case .checkpoint(let onDamage):
      try Checkpoint.read(at: path, onDamage: onDamage) { $0.manifest.describedConfiguration }
    }
  }

  /// The scaling of the latents that the base draws; nil for one that draws images, and if its source does not say.
  private func scaling() throws -> LatentScaling? {
    switch source {
    case .file: nil
    case .folder(let folder): folder.autoencoder?.publishedScaling
    case .checkpoint(let onDamage):
      try Checkpoint.read(at: path, onDamage: onDamage) { checkpoint in
        checkpoint.manifest.latents.map {
          LatentScaling(factor: Float($0.scalingFactor), shift: Float($0.shift))
        }
      }
    }
  }

  /// Throws unless the latents and texts of a run are those that the base was trained with, as far as its source says
  /// which these were.
  ///
  /// - Parameters:
  ///   - latents: nil for a run on images.
  ///   - texts: nil for a run without captions.
  /// - Throws: `CheckpointError`, `ModelFileError`; errors of reading the base's text encoder.
  public func require(_ latents: LatentSpace?, _ texts: TextSpace?) throws {
    if let latents, let scaling = try scaling() {
      guard Float(latents.scalingFactor) == scaling.factor, Float(latents.shift) == scaling.shift else {
        throw ModelFileError(
          path,
          "was trained on latents scaled by \(scaling.factor), shifted by \(scaling.shift); now they are scaled by "
            + "\(Float(latents.scalingFactor)), shifted by \(Float(latents.shift)): leave autoencoder.scaling_factor out"
        )
      }
    }
    guard case .checkpoint(let onDamage) = source else { return }
    try Checkpoint.read(at: path, onDamage: onDamage) { checkpoint in
      if let latents {
        try checkpoint.manifest.latents?.require(latents.digest, of: latents.autoencoder, for: path)
      }
      guard let texts, let before = checkpoint.manifest.texts else { return }
      guard try TrainingConfiguration(checkpoint.manifest.configuration).changedEncoder != nil else {
        return try before.require(texts.digest, of: texts.encoder, for: path)
      }
      let changed = try TextEncoderSource(of: checkpoint, before, weights: .weights(named: StateSchema.ema))
      guard try changed.digest(with: CLIPTokenizer(path: before.tokenizer)) == texts.digest else {
        throw ModelFileError(
          path,
          "was trained together with its text encoder, which \(texts.encoder) is not: set conditioning.text_encoder to "
            + "\(path)")
      }
    }
  }
}

/// The keys of the scaling of latents in a configuration.
private enum LatentSettings {
  static let section = "autoencoder"
  static let factor = "scaling_factor"
  static let path = "\(section).\(factor)"
}

extension CheckpointManifest {
  /// The configuration, with the factor of the latents that the run was trained on, measured or not.
  var describedConfiguration: SettingsNode {
    guard let latents, let section = configuration[LatentSettings.section] else { return configuration }
    return configuration.setting(
      LatentSettings.section,
      to: section.setting(LatentSettings.factor, to: SettingsNode(latents.scalingFactor)))
  }
}
