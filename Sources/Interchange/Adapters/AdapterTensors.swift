import Layers
import Tensors

/// An adapter as files have it, whichever names they use: of each module its tensors and its alpha.
public struct AdapterTensors {
  /// The part of a pipeline that a module belongs to.
  public enum Component: String, CaseIterable, Sendable {
    case denoiser = "unet"
    case textEncoder = "text_encoder"
  }

  struct Tensor {
    /// PyTorch's.
    let shape: [Int]
    let values: [Float]
  }

  struct Module {
    let component: Component
    /// PyTorch's name.
    let name: String
    /// By peft's names behind that of the module, such as `lora_A.weight`.
    var tensors: [String: Tensor]
    /// What the product of the factors is multiplied by.
    var scale: Double
  }

  /// In ascending order of components and names.
  let modules: [Module]
  /// What a user should know of how a file was read.
  public let notes: [String]

  init(_ modules: [Module], notes: [String] = []) {
    self.modules = modules.sorted { ($0.component.rawValue, $0.name) < ($1.component.rawValue, $1.name) }
    self.notes = notes
  }

  /// The weights of an adapter of a denoiser.
  public init(_ adapter: Adapter, weights: ParameterBuffer) {
    let tensors = Dictionary(uniqueKeysWithValues: adapter.parameters.fileTensors.map { ($0.name, $0) })
    self.init(
      adapter.modules.map { module in
        let own = AdapterForm.tensorNames.compactMap { name in
          tensors["\(module.name).\(name)"].map {
            (name, Tensor(shape: $0.shape, values: $0.exported(from: weights.pointer)))
          }
        }
        return Module(
          component: .denoiser, name: module.name, tensors: Dictionary(uniqueKeysWithValues: own),
          scale: Double(module.scale))
      })
  }

  /// The parts of a pipeline that it changes.
  public var components: Set<Component> { Set(modules.map(\.component)) }

  /// The adapter of one component, whose model has `layout`, and its weights.
  ///
  /// - Parameter path: the file that the tensors are from, for messages.
  /// - Throws: `ModelFileError` naming modules that the model does not have, and tensors that are missing, not used or
  ///   of another shape.
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

  /// Throws unless the tensors are those of the adapter.
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
