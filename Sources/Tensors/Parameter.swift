import Kernels

/// A tensor of a model: the set that it belongs to, its location in that set's flat memory, and the file tensors that
/// store it.
///
/// Weights are laid out as [taps, inputs, outputs] in memory, so that a convolution is a product of patches and
/// weights. Files use PyTorch's names and its order [outputs, inputs, taps]. A parameter may consist of several file
/// tensors, concatenated along the outputs: separate queries, keys and values fill one packed matrix.
public struct Parameter: Hashable, Sendable {
  /// How a training step changes the parameter.
  public enum Role: Hashable, Sendable {
    /// Updated by the optimiser.
    case trained
    /// A running average of batch statistics, as in batch normalisation. Each micro-batch writes its statistics in
    /// place of a gradient; `momentum` is the weight of a step's mean over the micro-batches.
    case runningAverage(momentum: Float)
    /// Unchanged: it keeps its initial values, or those loaded from a file.
    case constant
  }

  /// PyTorch's name, such as `downs.0.1.block2.proj.weight`; with several file tensors, the name of the first.
  public let name: String
  /// PyTorch's shape of all file tensors concatenated along the outputs.
  public let fileShape: [Int]
  /// The set that it belongs to.
  public let set: ParameterSetIdentity
  /// The shape in memory.
  public let shape: [Int]
  /// The offset of its first element in the flat memory, in floats.
  public let offset: Int
  public let initialization: Initialization
  public let role: Role

  /// The factors of `shape` for weights.
  public let outputs: Int
  public let inputs: Int
  public let taps: Int
  /// The file tensors that the parameter consists of; empty if there is only one, which has the parameter's name.
  let parts: [Part]

  /// The name of a file tensor and the number of outputs that it covers.
  public struct Part: Hashable, Sendable {
    public let name: String
    public let outputs: Int

    public init(_ name: String, outputs: Int) {
      self.name = name
      self.outputs = outputs
    }
  }

  public enum Initialization: Hashable, Sendable {
    case zeros
    case ones
    /// Uniform in [-bound, bound).
    case uniform(bound: Float)
    /// Normal with mean 0.
    case normal(deviation: Float)
    /// These values, in PyTorch's order.
    case values([Float])
  }

  /// - Parameters:
  ///   - fileShape: PyTorch's shape; the elements are ordered [outputs, inputs, taps].
  ///   - set: by default the set of parameters that are created without a builder.
  ///   - parts: the file tensors that the parameter consists of, if there are several.
  public init(
    name: String, fileShape: [Int], outputs: Int, inputs: Int, taps: Int = 1, offset: Int,
    initialization: Initialization, set: ParameterSetIdentity = .unnamed, parts: [Part] = []
  ) {
    self.init(
      name: name, fileShape: fileShape, shape: [taps, inputs, outputs], outputs: outputs, inputs: inputs,
      taps: taps,
      offset: offset, initialization: initialization, role: .trained, set: set, parts: parts)
  }

  /// A tensor with the same layout in memory as in files.
  public init(
    name: String, shape: [Int], offset: Int, initialization: Initialization, role: Role = .trained,
    set: ParameterSetIdentity = .unnamed, parts: [Part] = []
  ) {
    self.init(
      name: name, fileShape: shape, shape: shape, outputs: shape.reduce(1, *), inputs: 1, taps: 1,
      offset: offset,
      initialization: initialization, role: role, set: set, parts: parts)
  }

  private init(
    name: String, fileShape: [Int], shape: [Int], outputs: Int, inputs: Int, taps: Int, offset: Int,
    initialization: Initialization, role: Role, set: ParameterSetIdentity, parts: [Part]
  ) {
    precondition(
      parts.isEmpty || parts.reduce(0) { $0 + $1.outputs } == outputs,
      "\(name): \(parts) do not have \(outputs) outputs")
    precondition(
      fileShape.reduce(1, *) == outputs * inputs * taps,
      "\(name): \(fileShape) is not \(outputs) x \(inputs) x \(taps)")
    if case .values(let values) = initialization {
      precondition(
        values.count == outputs * inputs * taps, "\(name): \(values.count) values for \(fileShape)")
    }
    self.name = name
    self.fileShape = fileShape
    self.shape = shape
    self.outputs = outputs
    self.inputs = inputs
    self.taps = taps
    self.offset = offset
    self.initialization = initialization
    self.role = role
    self.set = set
    self.parts = parts
  }

  public var count: Int { outputs * inputs * taps }

  /// Whether this is a bias, or the scale or shift of a normalisation, which are usually exempt from weight decay.
  public var isVector: Bool { fileShape.count <= 1 }

  /// The file tensors that store the parameter.
  public var fileTensors: [FileTensor] {
    guard !parts.isEmpty else { return [whole] }
    var first = 0
    return parts.map { part in
      defer { first += part.outputs }
      return FileTensor(
        self, part.name, [part.outputs] + fileShape.dropFirst(), outputs: first..<first + part.outputs)
    }
  }

  /// All file tensors, concatenated.
  private var whole: FileTensor { FileTensor(self, name, fileShape, outputs: 0..<outputs) }

  /// The elements of all file tensors in PyTorch's order, one tensor after another.
  public func exported(from flat: UnsafePointer<Float>) -> [Float] {
    whole.exported(from: flat)
  }

  /// Reads the elements of all file tensors in PyTorch's order from `file` into `flat`, which begins at `start` of the
  /// flat memory.
  public func `import`(
    from file: UnsafePointer<Float>, to flat: UnsafeMutablePointer<Float>, startingAt start: Int = 0
  ) {
    whole.import(from: file, to: flat, startingAt: start)
  }
}
