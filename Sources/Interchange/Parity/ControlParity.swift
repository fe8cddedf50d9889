import Layers
import Models
import Settings
import Tensors

/// A control network with its denoiser: the network also receives an image `control`, and its residuals go to the
/// denoiser, whose parameters have no gradients.
struct ControlParity: ParityNetwork {
  /// Its section `model` has a section for each network, but no kind.
  static let kinds: [String] = []
  private let denoiser: DenoiserParity
  private let control: any ControlNetwork

  init(_ reader: SettingsReader) throws {
    denoiser = try DenoiserParity(reader.section("denoiser"))
    let controlReader = try reader.section(ParityFile.Name.control)
    control = try ControlKind.model(controlReader)
    do {
      try control.check(denoiser.model)
    } catch {
      throw controlReader.invalid("kind", "\(error)")
    }
  }

  var sets: [ParitySet] {
    [
      ParitySet(denoiser.model.parameters, prefix: "denoiser/", isTrained: false),
      ParitySet(control.parameters, prefix: "\(ParityFile.Name.control)/"),
    ]
  }

  func shapes(of file: ParityFile) throws -> ParityShapes {
    var shapes = try denoiser.shapes(of: file)
    let x = try file.imageShape(ParityFile.Name.x)
    let scale = control.conditionScale
    shapes.inputs[ParityFile.Name.control] = [
      x[0], control.conditionChannels, scale * x[2], scale * x[3],
    ]
    return shapes
  }

  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass {
    let (x, timesteps, conditioning) = try denoiser.inputs(file, on: tape)
    var controlled = conditioning
    controlled.control = control(
      x, timesteps: timesteps, condition: try file.tensor(ParityFile.Name.control, on: tape),
      conditioning: conditioning)
    let output = denoiser.model(x, timesteps: timesteps, conditioning: controlled)
    return ParityPass(output: output, loss: try file.loss(of: output))
  }
}
