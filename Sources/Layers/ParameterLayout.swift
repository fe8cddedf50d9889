import Kernels
import Randomness
import Tensors

/// The tensors of a model, in their order in the flat memory.
public struct ParameterLayout: Sendable {
  /// All that files hold, whatever its role.
  public let parameters: [Parameter]
  /// Names of integers that PyTorch keeps beside running averages, how many batches they have seen: here the steps.
  public let batchCounters: [String]
  /// The set that they make up.
  public let set: ParameterSetIdentity
  /// What adapters can do to weights, by their offsets; to others nothing.
  let adaptability: [Int: Adaptability]
  /// Floats of the flat memory. Each parameter starts on a cache line; what lies between is zero and stays so.
  public let flatCount: Int

  /// What files hold of them, in their order.
  public var fileTensors: [FileTensor] { parameters.flatMap(\.fileTensors) }

  /// The parameters that gradients move.
  public var trained: [Parameter] { parameters.filter { $0.role == .trained } }

  /// The number of trained values.
  public var valueCount: Int { trained.reduce(0) { $0 + $1.count } }

  /// A stretch of the flat memory whose parameters have one role, with the gaps that follow them.
  public struct Segment: Hashable, Sendable {
    public let role: Parameter.Role
    /// See `Parameter.isVector`; false where vectors are not told apart.
    public let isVector: Bool
    public let range: Range<Int>
  }

  /// The whole flat memory, in as few segments as possible.
  ///
  /// - Parameter separatingVectors: whether a segment has either vectors or none.
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

  /// New weights: element i of parameter p is drawn with the key (seed, p, i), in the order of PyTorch's tensor.
  ///
  /// - Parameter isShared: see `ParameterBuffer`.
  public func initialWeights(seed: UInt64, isShared: Bool = false) -> ParameterBuffer {
    let weights = ParameterBuffer(count: flatCount, isShared: isShared)
    func random(_ parameter: Int) -> RandomStream {
      RandomStream(seed: seed, purpose: .initialization, sample: parameter)
    }
    // One memory for all of them: many, of many sizes, would leave the heap large.
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

/// Collects the parameters of a model while its layers are made, under the names that PyTorch's modules would have.
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

  private let path: String
  private let collected: Collected

  /// - Parameter set: what messages call the set of parameters.
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

  /// The builder for child number `index` of a `ModuleList` or a `Sequential`.
  public subscript(_ index: Int) -> ParameterBuilder { self[String(index)] }

  /// Weights of PyTorch's shape `fileShape`, whose elements are [outputs, inputs, taps].
  ///
  /// - Parameters:
  ///   - parts: the file tensors that they are made of, named from here, if there are several.
  ///   - adaptability: what adapters can do to them; nil: nothing.
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

  /// One value a channel.
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

  /// A tensor that is the same in memory as in files.
  func table(
    _ name: String, shape: [Int], _ initialization: Parameter.Initialization, role: Parameter.Role = .trained
  ) -> Parameter {
    add(
      Parameter(
        name: path + name, shape: shape, offset: collected.flatCount, initialization: initialization,
        role: role, set: collected.set))
  }

  /// An integer that PyTorch's files have beside running averages.
  func batchCounter(_ name: String) { collected.batchCounters.append(path + name) }

  private func add(_ parameter: Parameter) -> Parameter {
    for tensor in parameter.fileTensors {
      precondition(collected.names.insert(tensor.name).inserted, "two tensors are named \(tensor.name)")
    }
    collected.parameters.append(parameter)
    collected.flatCount += (parameter.count + 15) / 16 * 16
    return parameter
  }

  /// All that was collected so far, by this builder and its relatives.
  public var layout: ParameterLayout {
    ParameterLayout(
      parameters: collected.parameters, batchCounters: collected.batchCounters, set: collected.set,
      adaptability: collected.adaptability, flatCount: collected.flatCount)
  }
}
