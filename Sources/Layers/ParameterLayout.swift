import Kernels
import Randomness
import Tensors

/// The parameters of a model, in the order of the flat memory.
public struct ParameterLayout: Sendable {
  /// All parameters stored in files, of any role.
  public let parameters: [Parameter]
  /// The names of the integers that PyTorch stores with running averages, the number of batches seen: here the steps.
  public let batchCounters: [String]
  /// The set that the parameters form.
  public let set: ParameterSetIdentity
  /// How adapters can change weights, by offset; other parameters cannot be adapted.
  let adaptability: [Int: Adaptability]
  /// The size of the flat memory in floats. Each parameter starts on a cache line; the gaps are zero and stay zero.
  public let flatCount: Int

  /// The file tensors of all parameters, in order.
  public var fileTensors: [FileTensor] { parameters.flatMap(\.fileTensors) }

  /// The parameters that are updated by the optimiser.
  public var trained: [Parameter] { parameters.filter { $0.role == .trained } }

  /// The number of trained elements.
  public var valueCount: Int { trained.reduce(0) { $0 + $1.count } }

  /// A range of the flat memory whose parameters have the same role, including the gaps after them.
  public struct Segment: Hashable, Sendable {
    public let role: Parameter.Role
    /// See `Parameter.isVector`; false if vectors are not separated.
    public let isVector: Bool
    public let range: Range<Int>
  }

  /// Divides the whole flat memory into as few segments as possible.
  ///
  /// - Parameter separatingVectors: whether vectors get separate segments.
  public func segments(separatingVectors: Bool = false) -> [Segment] {
    var segments: [Segment] = []
    for (index, parameter) in parameters.enumerated() {
      let end = index + 1 < parameters.count ? parameters[index + 1].offset : flatCount
      let isVector = separatingVectors && parameter.isVector
      if let last = segments.last, last.role == parameter.role, last.isVector == isVector {
        segments[segments.count - 1] = Segment(
          role: last.role, isVector: isVector, range: last.range.lowerBound..<end)
      } else {
        segments.append(Segment(role: parameter.role, isVector: isVector, range: parameter.offset..<end))
      }
    }
    return segments
  }

  /// Draws initial weights: element i of parameter p depends on (seed, p, i), in the order of PyTorch's tensor.
  ///
  /// - Parameter isShared: see `ParameterBuffer`.
  public func initialWeights(seed: UInt64, isShared: Bool = false) -> ParameterBuffer {
    let weights = ParameterBuffer(count: flatCount, isShared: isShared)
    func random(_ parameter: Int) -> RandomStream {
      RandomStream(seed: seed, purpose: .initialization, sample: parameter)
    }
    // One buffer for all parameters: many buffers of different sizes would bloat the heap.
    let memory = FloatMemory.allocate(parameters.reduce(0) { max($0, $1.count) })
    defer { memory.deallocate() }
    for (index, parameter) in parameters.enumerated() {
      let elements = UnsafeMutableBufferPointer(rebasing: memory[..<parameter.count])
      switch parameter.initialization {
      case .zeros: elements.update(repeating: 0)
      case .ones: elements.update(repeating: 1)
      case .values(let values): _ = elements.update(fromContentsOf: values)
      case .uniform(let bound): random(index).fillUniform(elements, low: -bound, high: bound)
      case .normal(let deviation):
        random(index).fillNormal(elements)
        for index in elements.indices { elements[index] *= deviation }
      }
      parameter.import(from: elements.baseAddress!, to: weights.pointer)
    }
    return weights
  }
}

/// Collects the parameters of a model while its layers are created, under the names of PyTorch's modules.
public struct ParameterBuilder {
  private final class Collected {
    let set: ParameterSetIdentity
    var names: Set<String> = []
    var parameters: [Parameter] = []
    var batchCounters: [String] = []
    var adaptability: [Int: Adaptability] = [:]
    var flatCount = 0

    init(_ set: ParameterSetIdentity) { self.set = set }
  }

  /// The prefix of the names of this builder's tensors.
  let path: String
  private let collected: Collected

  /// - Parameter set: the name of the parameter set in messages.
  public init(_ set: String = "model") {
    self.init(path: "", collected: Collected(ParameterSetIdentity(set)))
  }

  private init(path: String, collected: Collected) {
    self.path = path
    self.collected = collected
  }

  /// The builder for the child module `name`.
  public subscript(_ name: String) -> ParameterBuilder {
    ParameterBuilder(path: "\(path)\(name).", collected: collected)
  }

  /// The builder for child `index` of a `ModuleList` or `Sequential`.
  public subscript(_ index: Int) -> ParameterBuilder { self[String(index)] }

  /// Adds weights of PyTorch's shape `fileShape`, whose elements are ordered [outputs, inputs, taps].
  ///
  /// - Parameters:
  ///   - parts: the file tensors that the weights consist of, named relative to this builder, if there are several.
  ///   - adaptability: how adapters can change the weights; nil if they cannot.
  func weights(
    _ name: String, fileShape: [Int], outputs: Int, inputs: Int, taps: Int,
    _ initialization: Parameter.Initialization, parts: [Parameter.Part] = [],
    adaptability: Adaptability? = nil
  ) -> Parameter {
    collected.adaptability[collected.flatCount] = adaptability
    return add(
      Parameter(
        name: path + name, fileShape: fileShape, outputs: outputs, inputs: inputs, taps: taps,
        offset: collected.flatCount, initialization: initialization, set: collected.set,
        parts: named(parts)))
  }

  /// Adds a vector with one value per channel.
  func vector(
    _ name: String, count: Int, _ initialization: Parameter.Initialization, parts: [Parameter.Part] = []
  ) -> Parameter {
    add(
      Parameter(
        name: path + name, shape: [count], offset: collected.flatCount, initialization: initialization,
        set: collected.set, parts: named(parts)))
  }

  private func named(_ parts: [Parameter.Part]) -> [Parameter.Part] {
    parts.map { Parameter.Part(path + $0.name, outputs: $0.outputs) }
  }

  /// Adds a tensor with the same layout in memory as in files.
  func table(
    _ name: String, shape: [Int], _ initialization: Parameter.Initialization, role: Parameter.Role = .trained
  ) -> Parameter {
    add(
      Parameter(
        name: path + name, shape: shape, offset: collected.flatCount, initialization: initialization,
        role: role, set: collected.set))
  }

  /// Adds an integer that PyTorch stores in files with running averages.
  func batchCounter(_ name: String) { collected.batchCounters.append(path + name) }

  private func add(_ parameter: Parameter) -> Parameter {
    for tensor in parameter.fileTensors {
      precondition(collected.names.insert(tensor.name).inserted, "two tensors are named \(tensor.name)")
    }
    collected.parameters.append(parameter)
    collected.flatCount += (parameter.count + 15) / 16 * 16
    return parameter
  }

  /// The layout of all parameters collected so far, by this builder and those derived from the same root.
  public var layout: ParameterLayout {
    ParameterLayout(
      parameters: collected.parameters, batchCounters: collected.batchCounters, set: collected.set,
      adaptability: collected.adaptability, flatCount: collected.flatCount)
  }
}
