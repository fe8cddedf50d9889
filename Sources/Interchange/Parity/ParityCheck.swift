import Layers
import Tensors

/// A case made elsewhere, such as by PyTorch: a model with its weights, an input, and the expected results of a forward
/// and a backward pass. Compares them with the results computed here.
public struct ParityCheck: Sendable {
  /// The deviation of a tensor: ‖ours - theirs‖ / ‖theirs‖; for a zero gradient, relative to all gradients.
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

  /// The largest of all deviations; NaN if any is NaN.
  public var worst: Double {
    ([output, loss] + gradients.map(\.error)).reduce(0) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
  }

  /// The roles, each of which evaluates its own cases.
  private static var roles: [any ParityNetwork.Type] {
    [DenoiserParity.self, AutoencoderParity.self, TextEncoderParity.self, ContrastiveParity.self]
  }

  /// Runs the case in the file at `path`.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, unused or of another shape; `SafetensorsError`;
  ///   `FileError`; `SettingsError` for an invalid model.
  public init(case path: String, engine: Engine) throws {
    typealias Name = ParityFile.Name
    let parityFile = try ParityFile(path: path)
    let file = parityFile.file
    let network = try parityFile.network(among: Self.roles)
    let adapter = try network.sets.last.flatMap { try ParityAdapter.adapter(parityFile, of: $0.layout) }
    var sets = network.sets
    if let adapter {
      sets = sets.map { ParitySet($0.layout, prefix: $0.prefix, isTrained: false) }
      sets.append(ParitySet(adapter.parameters, prefix: Name.adapterWeights))
    }
    func named(_ name: String) -> String { network.fileName(name, in: parityFile) }
    let trained = sets.filter(\.isTrained).flatMap { $0.layout.trained.flatMap(\.fileTensors) }

    let shapes = try network.shapes(of: parityFile)
    var expected = shapes.inputs
    for set in sets {
      for (name, shape) in StateDict.shapes(of: set.layout) { expected[set.prefix + named(name)] = shape }
    }
    if shapes.hasTarget { expected[Name.target] = shapes.output }
    expected[Name.output] = shapes.output
    expected[Name.loss] = []
    for tensor in trained { expected[Name.gradients + named(tensor.name)] = tensor.shape }
    try StateDict.require(expected, in: file)

    let bound = try sets.map { set in
      let weights = try StateDict.read(set.layout, from: file) { set.prefix + named($0.name) }
      return BoundParameters(
        set.layout.set, weights: weights,
        gradients: set.isTrained ? ParameterBuffer(count: weights.count) : nil)
    }
    let tape = Tape(engine: engine, sets: bound, adaptation: adapter)
    let pass = try network.pass(parityFile, on: tape)
    let theirOutput = ParityFile.channelsLast(try file.floats(Name.output), shapes.output)
    output = Self.deviation(of: pass.output.elements, from: theirOutput)
    loss = Self.deviation(of: pass.loss.elements, from: try file.floats(Name.loss))

    for set in sets where set.isTrained { tape.clearUnusedGradients(of: set.layout.parameters) }
    tape.backward(from: Loss(pass.loss)) { _ in }
    let theirs = try trained.map { try file.floats(Name.gradients + named($0.name)) }
    let whole = Self.length(theirs.joined())
    let gradientMemory = Dictionary(
      uniqueKeysWithValues: zip(sets, bound).compactMap { set, bound in
        bound.gradients.map { (set.layout.set, $0) }
      })
    gradients = zip(trained, theirs).map { tensor, theirs in
      guard let memory = gradientMemory[tensor.parameter.set] else {
        preconditionFailure("\(tensor.name) has no gradient")
      }
      let isZero = Self.length(theirs) < Self.zeroGradient * whole
      return Deviation(
        name: named(tensor.name),
        error: Self.deviation(
          of: tensor.exported(from: memory.pointer), from: theirs, length: isZero ? whole : nil))
    }
  }

  /// A gradient with a smaller fraction of the norm of all gradients is zero up to rounding, such as that of a bias
  /// before a normalisation of its channel. Its deviation is relative to all gradients.
  private static let zeroGradient = 1e-6

  /// Relative to the norm of `theirs`, or to the given one; absolute if that is 0.
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
