import Files
import Foundation
import Layers
import Models
import Tensors

extension PipelineFolder {
  /// The weights of the denoiser.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, unused, of another shape or non-finite;
  ///   `SafetensorsError`, `FileError`.
  public func weights() throws -> ParameterBuffer {
    try StateDict.weights(of: model.parameters, in: denoiserFiles())
  }

  /// The weights of the autoencoder. Throws like `weights()`.
  public func weights(of autoencoder: AutoencoderKL) throws -> ParameterBuffer {
    try StateDict.weights(of: autoencoder.parameters, in: autoencoderFiles())
  }

  /// The weights of the text encoder. Throws like `weights()`.
  public func weights(of text: PipelineText) throws -> ParameterBuffer {
    try StateDict.weights(of: text.encoder.parameters, in: textEncoderFiles())
  }

  /// The weights of the control network. Throws like `weights()`.
  public func weights(of control: any ControlNetwork) throws -> ParameterBuffer {
    try StateDict.weights(of: control.parameters, in: controlFiles())
  }

  /// The SHA-256 of the denoiser's weight file; for several files, that of their digests.
  ///
  /// - Throws: `ModelFileError`, `FileError`.
  public func weightsDigest() throws -> String {
    let digests = try denoiserFiles().files.map { try SHA256.digest(ofFile: $0) }
    return digests.count == 1 ? digests[0] : SHA256.digest(of: digests.joined(separator: "\n"))
  }

  func denoiserFiles() throws -> ComponentWeights {
    try ComponentWeights(folder: "\(path)/\(Name.unet)", stem: Name.weights) { $0 }
  }

  func controlFiles() throws -> ComponentWeights {
    try ComponentWeights(folder: "\(path)/\(Name.control)", stem: Name.weights) { $0 }
  }

  func autoencoderFiles() throws -> ComponentWeights {
    try Self.autoencoderFiles("\(path)/\(Name.autoencoder)")
  }

  static func autoencoderFiles(_ folder: String) throws -> ComponentWeights {
    try ComponentWeights(folder: folder, stem: Name.weights, current: autoencoderName)
  }

  func textEncoderFiles() throws -> ComponentWeights {
    try Self.textEncoderFiles("\(path)/\(Name.textEncoder)")
  }

  static func textEncoderFiles(_ folder: String) throws -> ComponentWeights {
    try ComponentWeights(folder: folder, stem: Name.textWeights, current: textEncoderName)
  }

  /// Before version 0.15, diffusers had other names for the attention of autoencoders, which published files still use.
  private static func autoencoderName(_ name: String) -> String? {
    let formerNames = [
      ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0.",
    ]
    guard name.contains(".attentions.") else { return name }
    return formerNames.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
  }

  /// Before version 5, transformers prefixed all names with the part of CLIP, and stored position indices.
  private static func textEncoderName(_ name: String) -> String? {
    let prefix = "text_model."
    let name = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    return name == "embeddings.position_ids" ? nil : name
  }
}
