import Files
import Foundation
import Layers
import Models
import Tensors

extension PipelineFolder {
  /// The weights of the network that denoises, and nothing else.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, not used or of another shape, or that hold what is no
  ///   finite number; `SafetensorsError`, `FileError`.
  public func weights() throws -> ParameterBuffer {
    try StateDict.weights(of: model.parameters, in: denoiserFiles())
  }

  /// The same for the autoencoder.
  public func weights(of autoencoder: AutoencoderKL) throws -> ParameterBuffer {
    try StateDict.weights(of: autoencoder.parameters, in: autoencoderFiles())
  }

  /// The same for the text encoder.
  public func weights(of text: PipelineText) throws -> ParameterBuffer {
    try StateDict.weights(of: text.encoder.parameters, in: textEncoderFiles())
  }

  /// The same for the control network.
  public func weights(of control: any ControlNetwork) throws -> ParameterBuffer {
    try StateDict.weights(of: control.parameters, in: controlFiles())
  }

  /// The SHA-256 of the file of the denoiser's weights; of several files, that of their digests.
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

  /// Before version 0.15 diffusers had other names for the attention of autoencoders, which its files still have.
  private static func autoencoderName(_ name: String) -> String? {
    let formerNames = [
      ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0.",
    ]
    guard name.contains(".attentions.") else { return name }
    return formerNames.reduce(name) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
  }

  /// Before version 5 transformers put the part of CLIP before all names, and kept the numbers of positions.
  private static func textEncoderName(_ name: String) -> String? {
    let prefix = "text_model."
    let name = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    return name == "embeddings.position_ids" ? nil : name
  }
}
