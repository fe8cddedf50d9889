import Layers
import Models
import Settings
import Tensors

/// A text encoder: its output is the last hidden state of `tokens`, after the final normalisation.
struct TextEncoderParity: ParityNetwork {
  static let kinds = TextEncoderKind.allCases.map(\.rawValue)
  private let model: any TextEncoder

  init(_ reader: SettingsReader) throws { model = try TextEncoderKind.model(reader) }

  var sets: [ParitySet] { [ParitySet(model.parameters, prefix: ParityFile.Name.weights)] }

  func shapes(of file: ParityFile) throws -> ParityShapes {
    let shape = try file.tokenShape(limit: model.tokenLimit)
    return ParityShapes(inputs: [ParityFile.Name.tokens: shape], output: shape + [model.width])
  }

  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass {
    let output = model(try file.tokens(below: model.vocabularySize), on: tape).tokens
    return ParityPass(output: output, loss: try file.loss(of: output))
  }

  /// Before version 5, transformers prefixed all names with the part of CLIP.
  func fileName(_ name: String, in file: ParityFile) -> String {
    let prefix = "text_model."
    let isOlder = file.file.names.contains { $0.hasPrefix(ParityFile.Name.weights + prefix) }
    return isOlder ? prefix + name : name
  }
}
