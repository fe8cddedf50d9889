import Kernels

/// A tensor of a model: the set that it belongs to, where it lies in that set's flat memory, and the tensors that files
/// hold of it.
///
/// In memory weights are [taps, inputs, outputs], so that a convolution is a product of patches and weights. Files
/// have PyTorch's order [outputs, inputs, taps] under PyTorch's names. A parameter may be made of several file tensors,
/// one after the other along the outputs: separate queries, keys and values fill one packed matrix.
public struct Parameter: Hashable, Sendable {
  /// What a training step does to it.
  public enum Role: Hashable, Sendable {
    /// Its gradient moves it.
    case trained
    /// A running average of what batches are like, as batch normalisation keeps it. In the place of its gradient a
    /// micro-batch leaves what it found; `momentum` is the weight of a step's mean over the micro-batches.
    case runningAverage(momentum: Float)
    /// Nothing: it stays as it was made, or as a file had it.
    case constant
  }

  /// PyTorch's name, such as `downs.0.1.block2.proj.weight`; of several file tensors that of the first.
  public let name: String
  /// PyTorch's shape of all file tensors, concatenated along the outputs.
  public let fileShape: [Int]
  /// The set whose memory it lies in.
  public let set: ParameterSetIdentity
  /// The shape in memory.
  public let shape: [Int]
  /// Where it starts in the flat memory, in floats.
  public let offset: Int
  public let initialization: Initialization
  public let role: Role

  /// Of weights: see `shape`.
  public let outputs: Int
  public let inputs: Int
  public let taps: Int
  /// The names of the file tensors and how many outputs each has; empty: one, of this parameter's name.
  let parts: [Part]

  /// A file tensor's name, and how many of the outputs it has.
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
    /// These, in PyTorch's order.
    case values([Float])
  }

  /// - Parameters:
  ///   - fileShape: PyTorch's shape, whose elements are [outputs, inputs, taps] in this order.
  ///   - set: by default one that only hand-made parameters belong to.
  ///   - parts: the file tensors that it is made of, if there are several.
  public init(
    name: String, fileShape: [Int], outputs: Int, inputs: Int, taps: Int = 1, offset: Int,
    initialization: Initialization, set: ParameterSetIdentity = .unnamed, parts: [Part] = []
  ) {
    self.init(
      name: name, fileShape: fileShape, shape: [taps, inputs, outputs], outputs: outputs, inputs: inputs,
      taps: taps,
      offset: offset, initialization: initialization, role: .trained, set: set, parts: parts)
  }

  /// A tensor that is the same in memory as in files.
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

  /// Whether it is a bias, or the scale or shift of a normalisation: weight decay usually leaves those alone.
  public var isVector: Bool { fileShape.count <= 1 }

  /// What files hold of it.
  public var fileTensors: [FileTensor] {
    guard !parts.isEmpty else { return [whole] }
    var first = 0
    return parts.map { part in
      defer { first += part.outputs }
      return FileTensor(
        self, part.name, [part.outputs] + fileShape.dropFirst(), outputs: first..<first + part.outputs)
    }
  }

  /// All file tensors as one.
  private var whole: FileTensor { FileTensor(self, name, fileShape, outputs: 0..<outputs) }

  /// The elements of all file tensors in PyTorch's order, one tensor after the other.
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
