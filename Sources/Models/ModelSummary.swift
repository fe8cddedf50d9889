import Kernels
import Layers
import Tensors

/// The structure of a model: its layers with their tensors, and their operation counts for one image.
public struct ModelSummary {
  /// A module with its own tensors, or whose operations use tensors of several modules.
  public struct Layer {
    /// The PyTorch name, such as `downs.0.0.block1.proj`.
    public let name: String
    public let tensors: [Parameter]
    public let forwardFlops: Int
    public let backwardFlops: Int
  }

  public let layers: [Layer]
  /// [H, W, C] of the image that operations are counted for.
  public let imageShape: [Int]
  public let parameters: Int
  /// Bytes that the forward pass with one image keeps for the backward pass.
  package let activationBytes: Int

  public var forwardFlops: Int { layers.reduce(0) { $0 + $1.forwardFlops } }
  public var backwardFlops: Int { layers.reduce(0) { $0 + $1.backwardFlops } }
  /// Operations of a training step, per image.
  public var flops: Int { forwardFlops + backwardFlops }

  /// Traces the model's operations for training with one image, without computing anything. Operations of the frozen
  /// network of a control network count towards the layers of the same names.
  ///
  /// - Parameter adapter: the adapter trained in place of the model.
  public init(_ model: TrainedNetwork, imageShape: [Int], adapter: Adapter? = nil) {
    let layout = model.parameters
    let profile = Profile()
    func bound(_ layout: ParameterLayout, isTrained: Bool) -> BoundParameters {
      func memory() -> ParameterBuffer { ParameterBuffer(count: layout.flatCount, isSparse: true) }
      return BoundParameters(layout.set, weights: memory(), gradients: isTrained ? memory() : nil)
    }
    let engine = Engine.shapesOnly
    let tape = Tape(
      engine: engine,
      sets: (adapter.map { [bound($0.parameters, isTrained: true)] } ?? [])
        + [bound(layout, isTrained: adapter == nil)]
        + (model.frozenParameters.map { [bound($0, isTrained: false)] } ?? []), adaptation: adapter,
      profile: profile)
    model.run(tape.input([1] + imageShape))
    activationBytes = withExtendedLifetime(tape) { engine.floatsInShapes * MemoryLayout<Float>.size }

    let tensors = Dictionary(grouping: layout.parameters, by: \.moduleName)
    let operations = Dictionary(grouping: profile.operations.filter { $0.forward.flops > 0 }, by: \.layer)
    layers = Self.order(layout.parameters.map(\.moduleName), and: profile.operations.map(\.layer))
      .filter { tensors[$0] != nil || operations[$0] != nil }
      .map { name in
        let costs = operations[name] ?? []
        return Layer(
          name: name, tensors: tensors[name] ?? [],
          forwardFlops: costs.reduce(0) { $0 + $1.forward.flops },
          backwardFlops: costs.reduce(0) { $0 + $1.backward.flops })
      }
    self.imageShape = imageShape
    parameters = layout.valueCount
  }

  /// Each name once: modules with tensors in their order, each of the others before the first module that it contains.
  private static func order(_ modules: [String], and others: [String]) -> [String] {
    var names: [String] = []
    for name in modules where !names.contains(name) { names.append(name) }
    for name in others where !names.contains(name) {
      let first = names.firstIndex { name.isEmpty || $0.hasPrefix("\(name).") }
      names.insert(name, at: first ?? names.endIndex)
    }
    return names
  }
}

extension ModelSummary.Layer {
  /// The number of trained values.
  public var parameters: Int { tensors.reduce(0) { $0 + ($1.role == .trained ? $1.count : 0) } }
}

extension Parameter {
  /// The module that owns it: its name without the last component.
  fileprivate var moduleName: String { name.split(separator: ".").dropLast().joined(separator: ".") }
}
