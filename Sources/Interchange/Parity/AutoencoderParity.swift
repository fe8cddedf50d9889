import Foundation
import Layers
import Models
import Settings
import Tensors

/// An autoencoder: its output is the reconstruction of images `x` from mean + deviation `noise`, and the loss includes
/// `kl_weight` times the divergence of the latents from the standard normal distribution.
struct AutoencoderParity: ParityNetwork {
  static let kinds = AutoencoderKind.allCases.map(\.rawValue)
  private let model: AutoencoderKL

  init(_ reader: SettingsReader) throws { model = try AutoencoderKind.model(reader) }

  var sets: [ParitySet] { [ParitySet(model.parameters, prefix: ParityFile.Name.weights)] }

  func shapes(of file: ParityFile) throws -> ParityShapes {
    let shape = try file.imageShape(ParityFile.Name.x)
    do {
      try model.check(height: shape[2], width: shape[3], channels: shape[1])
    } catch {
      throw file.problem("\(ParityFile.Name.x) has shape \(shape): \(error)")
    }
    let latents = [
      shape[0], model.latentChannels, shape[2] / model.downsampling, shape[3] / model.downsampling,
    ]
    return ParityShapes(
      inputs: [ParityFile.Name.x: shape, ParityFile.Name.noise: latents],
      output: [shape[0], model.reconstructionChannels, shape[2], shape[3]])
  }

  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass {
    let posterior = model.encode(try file.tensor(ParityFile.Name.x, on: tape))
    let output = model.decode(posterior.sample(noise: try file.tensor(ParityFile.Name.noise, on: tape)))
    let loss = try file.loss(of: output)
    let weight = try divergenceWeight(file)
    guard weight != 0 else { return ParityPass(output: output, loss: loss) }
    return ParityPass(output: output, loss: loss + posterior.divergence().scaled(by: weight))
  }

  private func divergenceWeight(_ file: ParityFile) throws -> Float {
    guard let text = file.file.metadata[ParityFile.Name.divergenceWeight] else { return 0 }
    guard let weight = Float(text.trimmingCharacters(in: .whitespaces)), weight.isFinite else {
      throw file.problem("its metadata \"\(ParityFile.Name.divergenceWeight)\" is \(text), expected a number")
    }
    return weight
  }
}
