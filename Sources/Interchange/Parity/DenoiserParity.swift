import Layers
import Models
import Settings
import Tensors

/// A denoiser: its output is a prediction from noisy images `x` at timesteps `t`, with classes `y` or a `context`.
struct DenoiserParity: ParityNetwork {
  static let kinds = DenoiserKind.allCases.map(\.rawValue)
  let model: any Denoiser

  init(_ reader: SettingsReader) throws { model = try DenoiserKind.model(reader) }

  var sets: [ParitySet] { [ParitySet(model.parameters, prefix: ParityFile.Name.weights)] }

  func shapes(of file: ParityFile) throws -> ParityShapes {
    typealias Name = ParityFile.Name
    let shape = try file.imageShape(Name.x)
    do {
      try model.check(height: shape[2], width: shape[3], channels: shape[1])
    } catch {
      throw file.problem("\(Name.x) has shape \(shape): \(error)")
    }
    var inputs = [Name.x: shape, Name.timesteps: [shape[0]]]
    if hasLabels(file) { inputs[Name.labels] = [shape[0]] }
    if let width = model.contextWidth {
      let found = file.file.contains(Name.context) ? try file.file.shape(of: Name.context) : []
      guard found.count == 3, found[0] == shape[0], found[1] > 0, found[2] == width else {
        throw file.problem(
          "\(Name.context) " + (found.isEmpty ? "is missing" : "has shape \(found)")
            + ", expected [\(shape[0]), L, \(width)]")
      }
      inputs[Name.context] = found
    }
    return ParityShapes(
      inputs: inputs, output: [shape[0], model.predictionChannels, shape[2], shape[3]])
  }

  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass {
    let (x, timesteps, conditioning) = try inputs(file, on: tape)
    let output = model(x, timesteps: timesteps, conditioning: conditioning)
    return ParityPass(output: output, loss: try file.loss(of: output))
  }

  func inputs(
    _ file: ParityFile, on tape: Tape
  ) throws -> (x: Tensor, timesteps: [Float], conditioning: Conditioning) {
    let x = try file.tensor(ParityFile.Name.x, on: tape)
    var conditioning = Conditioning.none(batch: x.shape[0])
    if hasLabels(file) { conditioning.classes = try labels(file) }
    if model.contextWidth != nil {
      conditioning.context = try file.tensor(ParityFile.Name.context, on: tape)
    }
    return (x, try file.timesteps(), conditioning)
  }

  private func hasLabels(_ file: ParityFile) -> Bool {
    model.classes != nil && file.file.contains(ParityFile.Name.labels)
  }

  /// The images' classes. The number of classes itself stands for no class, as in DiT.
  private func labels(_ file: ParityFile) throws -> [Int?] {
    guard let classes = model.classes else { return [] }
    let labels = try file.file.int64s(ParityFile.Name.labels).map { Int($0) }
    let limit = classes.count + (classes.dropout > 0 ? 1 : 0)
    if let wrong = labels.first(where: { !(0..<limit).contains($0) }) {
      throw file.problem("\(ParityFile.Name.labels) holds \(wrong), expected 0 to \(limit - 1)")
    }
    return labels.map { $0 < classes.count ? $0 : nil }
  }
}
