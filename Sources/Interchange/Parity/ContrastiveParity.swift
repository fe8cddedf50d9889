import Layers
import Models
import Settings
import Tensors

/// Two encoders trained contrastively: the output is the logits of each image `x` with each text `tokens`, and the loss
/// is contrastive.
struct ContrastiveParity: ParityNetwork {
  static let kinds = ContrastiveKind.allCases.map(\.rawValue)
  private static let lossName = "contrastive"
  private let model: CLIP

  init(_ reader: SettingsReader) throws { model = try ContrastiveKind.model(reader) }

  var sets: [ParitySet] { [ParitySet(model.parameters, prefix: ParityFile.Name.weights)] }

  func shapes(of file: ParityFile) throws -> ParityShapes {
    let loss = file.file.metadata[ParityFile.Name.loss]
    guard loss == Self.lossName else {
      throw file.problem(
        "its metadata \"\(ParityFile.Name.loss)\" is \(loss ?? "missing"), expected \(Self.lossName)")
    }
    let tokens = try file.tokenShape(limit: model.settings.text.tokenLimit)
    let (side, channels) = (model.settings.vision.imageSize, model.settings.vision.channels)
    return ParityShapes(
      inputs: [
        ParityFile.Name.tokens: tokens, ParityFile.Name.x: [tokens[0], channels, side, side],
      ],
      output: [tokens[0], tokens[0]], hasTarget: false)
  }

  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass {
    let images = model.embed(images: try file.tensor(ParityFile.Name.x, on: tape))
    let texts = model.embed(
      try file.tokens(below: model.settings.text.vocabularySize), on: tape)
    let scale = model.scale(on: tape)
    return ParityPass(
      output: model.logits(images: images, texts: texts, scale: scale),
      loss: model.contrastiveLoss(images: images, texts: texts, scale: scale))
  }
}
