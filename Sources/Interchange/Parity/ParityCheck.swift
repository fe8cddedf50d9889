import Layers
import Tensors

/// A case made elsewhere, such as by PyTorch: a model with its weights, an input, and what should come out of a forward
/// and a backward pass. Compares what comes out here.
public struct ParityCheck: Sendable {
  /// How far off a tensor is: ‖ours - theirs‖ / ‖theirs‖; for a gradient that is zero, relative to all gradients.
  public struct Deviation: Sendable {
    public let name: String
    public let error: Double
  }

  public let output: Double
  public let loss: Double
  /// In the order of the model's parameters.
  public let gradients: [Deviation]

  public var worstGradient: Deviation? {
    gradients.max { $0.error.isNaN ? false : $1.error.isNaN || $0.error < $1.error }
  }

  /// The largest of all deviations; NaN if one is.
  public var worst: Double {
    ([output, loss] + gradients.map(\.error)).reduce(0) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
  }

  /// What each role does with a case.
  private static let roles: [any ParityNetwork.Type] = [
    DenoiserParity.self, AutoencoderParity.self, TextEncoderParity.self, ContrastiveParity.self,
  ]

  /// Runs the case in the file at `path`.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, not used or of another shape; `SafetensorsError`;
  ///   `FileError`; `SettingsError` for a model that cannot be made.
  public init(case path: String, engine: Engine) throws {
    typealias Name = ParityFile.Name
    let parityFile = try ParityFile(path: path)
    let file = parityFile.file
    let network = try parityFile.network(among: Self.roles)
    let layout = network.parameters
    func named(_ tensor: FileTensor) -> String { network.fileName(tensor.name, in: parityFile) }
    let trained = layout.trained.flatMap(\.fileTensors)

    let shapes = try network.shapes(of: parityFile)
    var expected = shapes.inputs
    for (name, shape) in StateDict.shapes(of: layout) {
      expected[Name.weights + network.fileName(name, in: parityFile)] = shape
    }
    if shapes.hasTarget { expected[Name.target] = shapes.output }
    expected[Name.output] = shapes.output
    expected[Name.loss] = []
    for tensor in trained { expected[Name.gradients + named(tensor)] = tensor.shape }
    try StateDict.require(expected, in: file)

    let weights = try StateDict.read(layout, from: file) { Name.weights + named($0) }
    let flatGradients = ParameterBuffer(count: weights.count)
    let tape = Tape(engine: engine, weights: weights, gradients: flatGradients)
    let pass = try network.pass(parityFile, on: tape)
    let theirOutput = ParityFile.channelsLast(try file.floats(Name.output), shapes.output)
    output = Self.deviation(of: pass.output.elements, from: theirOutput)
    loss = Self.deviation(of: pass.loss.elements, from: try file.floats(Name.loss))

    tape.clearUnusedGradients(of: layout.parameters)
    tape.backward(from: Loss(pass.loss)) { _ in }
    let theirs = try trained.map { try file.floats(Name.gradients + named($0)) }
    let whole = Self.length(theirs.joined())
    gradients = zip(trained, theirs).map { tensor, theirs in
      let ours = tensor.exported(from: flatGradients.pointer)
      let isZero = Self.length(theirs) < Self.zeroGradient * whole
      return Deviation(
        name: named(tensor), error: Self.deviation(of: ours, from: theirs, length: isZero ? whole : nil))
    }
  }

  /// A gradient that is a smaller part of all of them together is what rounding leaves of zero, such as that of a bias
  /// before a normalisation of its channel. Its deviation is relative to all of them.
  private static let zeroGradient = 1e-6

  /// Relative to their length, or the one given; absolute where that is 0.
  private static func deviation(
    of ours: some Collection<Float>, from theirs: [Float], length given: Double? = nil
  ) -> Double {
    let length = given ?? length(theirs)
    let difference = zip(ours, theirs).reduce(0) {
      $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
    }.squareRoot()
    return length > 0 ? difference / length : difference
  }

  private static func length(_ values: some Sequence<Float>) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }
}
