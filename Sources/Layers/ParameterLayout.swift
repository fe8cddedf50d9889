import Randomness
import Tensors

/// The parameters of a model, in their order in the flat memory.
public struct ParameterLayout: Sendable {
  public let parameters: [Parameter]
  /// Floats of the flat memory. Each parameter starts on a cache line; what lies between is zero and stays so.
  public let flatCount: Int

  /// The number of trained values.
  public var valueCount: Int { parameters.reduce(0) { $0 + $1.count } }

  /// New weights: element i of parameter p is drawn with the key (seed, p, i), in the order of PyTorch's tensor.
  public func initialWeights(seed: UInt64) -> FlatMemory {
    let weights = FlatMemory(count: flatCount)
    for (index, parameter) in parameters.enumerated() {
      let elements = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.count)
      defer { elements.deallocate() }
      switch parameter.initialization {
      case .zeros: elements.update(repeating: 0)
      case .ones: elements.update(repeating: 1)
      case .uniform(let bound):
        RandomStream(seed: seed, purpose: .initialization, sample: index)
          .fillUniform(elements, low: -bound, high: bound)
      }
      parameter.import(from: elements.baseAddress!, to: weights.pointer)
    }
    return weights
  }
}

/// Collects the parameters of a model while its layers are made, under the names that PyTorch's modules would have.
public struct ParameterBuilder {
  private final class Collected {
    var parameters: [Parameter] = []
    var flatCount = 0
  }

  private let path: String
  private let collected: Collected

  public init() { self.init(path: "", collected: Collected()) }

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
  func weights(
    _ name: String, fileShape: [Int], outputs: Int, inputs: Int, taps: Int,
    _ initialization: Parameter.Initialization
  ) -> Parameter {
    add(
      Parameter(
        name: path + name, fileShape: fileShape, outputs: outputs, inputs: inputs, taps: taps,
        offset: collected.flatCount, initialization: initialization))
  }

  /// One value a channel.
  func vector(_ name: String, count: Int, _ initialization: Parameter.Initialization) -> Parameter {
    add(
      Parameter(
        name: path + name, fileShape: [count], outputs: count, offset: collected.flatCount,
        initialization: initialization))
  }

  private func add(_ parameter: Parameter) -> Parameter {
    precondition(
      !collected.parameters.contains { $0.name == parameter.name },
      "two parameters are named \(parameter.name)")
    collected.parameters.append(parameter)
    collected.flatCount += (parameter.count + 15) / 16 * 16
    return parameter
  }

  /// All that was collected so far, by this builder and its relatives.
  public var layout: ParameterLayout {
    ParameterLayout(parameters: collected.parameters, flatCount: collected.flatCount)
  }
}
