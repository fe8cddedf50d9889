import Layers
import Tensors

/// An adapter read from a file, independent of its naming: the tensors and the alpha of each module.
public struct AdapterTensors {
  /// The pipeline component to which a module belongs.
  public enum Component: String, CaseIterable, Sendable {
    case denoiser = "unet"
    case textEncoder = "text_encoder"
  }

  struct Tensor {
    /// In PyTorch's order.
    let shape: [Int]
    let values: [Float]
  }

  struct Module {
    let component: Component
    /// The module's name in PyTorch.
    let name: String
    /// Keyed by peft's names within the module, such as `lora_A.weight`.
    var tensors: [String: Tensor]
    /// The factor of the product.
    var scale: Double
  }

  /// Sorted by component and name.
  let modules: [Module]
  /// Notes for the user on how the file was read.
  public let notes: [String]

  init(_ modules: [Module], notes: [String] = []) {
    self.modules = modules.sorted { ($0.component.rawValue, $0.name) < ($1.component.rawValue, $1.name) }
    self.notes = notes
  }

  /// The tensors of adapters of pipeline components, whose parameters form one set with these weights.
  init(_ adapters: [(component: Component, adapter: Adapter)], _ weights: ParameterBuffer) {
    self.init(
      adapters.flatMap { component, adapter in
        let tensors = Dictionary(uniqueKeysWithValues: adapter.parameters.fileTensors.map { ($0.name, $0) })
        return adapter.modules.map { module in
          let own = AdapterForm.tensorNames.compactMap { name in
            tensors["\(adapter.prefix)\(module.name).\(name)"].map {
              (name, Tensor(shape: $0.shape, values: $0.exported(from: weights.pointer)))
            }
          }
          return Module(
            component: component, name: module.name, tensors: Dictionary(uniqueKeysWithValues: own),
            scale: Double(module.scale))
        }
      })
  }

  /// The pipeline components that the adapter changes.
  public var components: Set<Component> { Set(modules.map(\.component)) }

  /// The adapter of one component, whose model has `layout`, with its weights.
  ///
  /// - Parameter path: the file of the tensors, for messages.
  /// - Throws: `ModelFileError` naming modules that the model lacks, and tensors that are missing, unused or of another
  ///   shape.
  func adapter(
    of component: Component, _ layout: ParameterLayout, in path: String
  ) throws -> (adapter: Adapter, weights: ParameterBuffer) {
    let own = modules.filter { $0.component == component }
    let shapes = own.flatMap { module in
      module.tensors.map { ("\(module.name).\($0.key)", $0.value.shape) }
    }
    let forms = try AdapterForms(Dictionary(uniqueKeysWithValues: shapes), of: layout, in: path)
    let adapter = Adapter(
      own.compactMap { module in
        forms.byModule[module.name].map {
          AdaptedModule(
            name: module.name, form: $0, scale: Float(module.scale),
            isDecomposed: forms.decomposed.contains(module.name))
        }
      }, of: layout)
    let found = Dictionary(uniqueKeysWithValues: own.map { ($0.name, $0.tensors) })
    try Self.require(adapter, Dictionary(uniqueKeysWithValues: shapes), in: path)
    let weights = ParameterBuffer(count: adapter.parameters.flatCount)
    for tensor in adapter.parameters.fileTensors {
      guard let module = adapter.modules.first(where: { tensor.name.hasPrefix("\($0.name).") }),
        let values = found[module.name]?[String(tensor.name.dropFirst(module.name.count + 1))]?.values
      else { preconditionFailure("\(tensor.name) was found and is not there") }
      tensor.import(from: values, to: weights.pointer)
    }
    return (adapter, weights)
  }

  /// Throws unless the tensors match the adapter's.
  private static func require(_ adapter: Adapter, _ shapes: [String: [Int]], in path: String) throws {
    let expected = Dictionary(
      uniqueKeysWithValues: adapter.parameters.fileTensors.map { ($0.name, $0.shape) })
    if let missing = expected.keys.sorted().first(where: { shapes[$0] == nil }) {
      throw ModelFileError(path, "lacks \(missing)")
    }
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      guard let own = expected[name] else { throw ModelFileError(path, "has what is not used: \(name)") }
      guard own == shape else {
        throw ModelFileError(path, "\(name) has shape \(shape), the model's is \(own)")
      }
    }
  }
}
