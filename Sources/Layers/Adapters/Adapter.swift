import Tensors

/// Small tensors that change the weights of a frozen model: a separate set of parameters, which a tape binds in
/// addition to the model's, with the adapter as its weight adaptation.
///
/// Names in files are those of peft, such as `mid_block.attentions.0.proj_in.lora_A.weight`.
public struct Adapter: WeightAdaptation {
  /// The parameters of the adapter's set, which may also hold those of adapters created before; see `JointAdapter`.
  public let parameters: ParameterLayout
  /// The prefix of its tensors' names.
  public let prefix: String
  /// In the order of the model's modules.
  public let modules: [AdaptedModule]
  private let model: ParameterSetIdentity
  /// The changes, by the offset of the weights that they apply to.
  private let parts: [Int: [Part]]
  /// The dropout on the inputs of low-rank adapters; nil for none.
  private var dropout: AdapterDropout?

  /// A change of some outputs of weights.
  private struct Part {
    let outputs: Range<Int>
    let factors: any AdapterFactors
    let scale: Float
    /// nil if the change is simply added.
    let decomposition: WeightDecomposition?
  }

  /// - Parameters:
  ///   - modules: modules of the model with `layout`, each at most once.
  ///   - set: the name of the adapter's parameter set in messages.
  public init(_ modules: [AdaptedModule], of layout: ParameterLayout, set: String = "adapter") {
    self.init(modules, of: layout, in: ParameterBuilder(set))
  }

  /// - Parameters:
  ///   - modules: modules of the model with `layout`, each at most once.
  ///   - builder: receives the adapter's parameters.
  public init(_ modules: [AdaptedModule], of layout: ParameterLayout, in builder: ParameterBuilder) {
    let adapted = Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0) })
    var ordered: [AdaptedModule] = []
    var parts: [Int: [Part]] = [:]
    for module in layout.adaptableModules {
      guard let adaptation = adapted[module.name] else { continue }
      ordered.append(adaptation)
      parts[module.weight.parameter.offset, default: []].append(
        Part(
          outputs: module.weight.outputs,
          factors: adaptation.form.factors(builder[module.name], module), scale: adaptation.scale,
          decomposition: adaptation.isDecomposed
            ? WeightDecomposition(builder[module.name], module, adaptation.form.kind) : nil))
    }
    precondition(
      ordered.count == modules.count,
      "\(Set(modules.map(\.name)).subtracting(ordered.map(\.name)).sorted()) cannot be adapted")
    self.modules = ordered
    self.parts = parts
    model = layout.set
    prefix = builder.path
    parameters = builder.layout
  }

  /// The same adapter with `dropout` on the inputs of low-rank changes.
  public func dropping(_ dropout: AdapterDropout?) -> Adapter {
    var copy = self
    copy.dropout = dropout
    return copy
  }

  public func change(of weights: Parameter, on tape: Tape) -> WeightChange? {
    guard weights.set == model, let parts = parts[weights.offset] else { return nil }
    if parts.contains(where: { $0.decomposition != nil }) {
      return .sum(decomposed(parts, of: weights, on: tape))
    }
    let lowRank = parts.compactMap { part in
      (part.factors as? LowRankFactors).map { (part.outputs, $0.factors(on: tape, scale: part.scale)) }
    }
    guard lowRank.count == parts.count else { return .sum(sum(parts, of: weights, on: tape)) }
    return .lowRank(
      LowRankChange(
        down: lowRank.count == 1 ? lowRank[0].1.down : .concatenated(lowRank.map(\.1.down), axis: 2),
        up: Self.stacked(lowRank.map { (outputs: $0.0, up: $0.1.up) }, outputs: weights.outputs),
        dropout: dropout.map { dropout in { dropout($0, of: weights, input: $1) } }))
  }

  /// Whether the change of the weights depends on their values.
  public var isDecomposed: Bool { modules.contains { $0.isDecomposed } }

  /// Initialises the adapter so that it leaves the model's weights unchanged.
  ///
  /// - Parameters:
  ///   - weights: the adapter's weights, randomly initialised.
  ///   - model: the model's weights.
  public func begin(_ weights: ParameterBuffer, from model: ParameterBuffer, of layout: ParameterLayout) {
    let engine = Engine()
    for parameter in layout.parameters {
      let parts = parts[parameter.offset, default: []].filter { $0.decomposition != nil }
      guard !parts.isEmpty else { continue }
      let lengths = WeightDecomposition.lengths(
        UnsafeBufferPointer(start: model.pointer + parameter.offset, count: parameter.count),
        shape: parameter.shape, pool: engine.threads)
      for part in parts {
        guard let magnitudes = part.decomposition?.magnitudes else { continue }
        let own = UnsafeMutableBufferPointer(
          start: weights.pointer + magnitudes.offset, count: magnitudes.count)
        _ = own.update(fromContentsOf: lengths[part.outputs])
      }
    }
  }

  /// Stacks factors [1, R, K] of some outputs each to [1, sum of R, all outputs], with zeros for the other outputs.
  private static func stacked(_ parts: [(outputs: Range<Int>, up: Tensor)], outputs: Int) -> Tensor {
    let wide = parts.map { padded($0.up, $0.outputs, of: outputs) }
    return wide.count == 1 ? wide[0] : .concatenated(wide, axis: 1)
  }

  /// Pads `part`, which covers `range` of `outputs`, with zeros for the other outputs.
  private static func padded(_ part: Tensor, _ range: Range<Int>, of outputs: Int) -> Tensor {
    func zeros(_ count: Int) -> [Tensor] {
      count == 0 ? [] : [part.tape.zeros(part.shape.dropLast() + [count])]
    }
    let all = zeros(range.lowerBound) + [part] + zeros(outputs - range.upperBound)
    return all.count == 1 ? part : .concatenated(all, axis: 2)
  }

  /// The change that gives the weights of each output their trained norm.
  private func decomposed(_ parts: [Part], of weights: Parameter, on tape: Tape) -> Tensor {
    let own = tape(weights)
    let changed = own + sum(parts, of: weights, on: tape)
    let inverse = WeightDecomposition.inverseLengths(
      UnsafeBufferPointer(changed.elements), shape: weights.shape, pool: tape.engine.threads)
    func constant(_ values: some Collection<Float>, _ shape: [Int]) -> Tensor {
      let tensor = tape.input(shape)
      _ = tensor.elements.update(fromContentsOf: values)
      return tensor
    }
    func ones(_ count: Int) -> [Float] { [Float](repeating: 1, count: count) }
    var pieces: [Tensor] = []
    var end = 0
    for part in parts.sorted(by: { $0.outputs.lowerBound < $1.outputs.lowerBound }) {
      guard let magnitudes = part.decomposition?.magnitudes else { continue }
      if part.outputs.lowerBound > end {
        pieces.append(
          constant(ones(part.outputs.lowerBound - end), [1, 1, part.outputs.lowerBound - end]))
      }
      pieces.append(tape(magnitudes) * constant(inverse[part.outputs], magnitudes.shape))
      end = part.outputs.upperBound
    }
    if end < weights.outputs {
      pieces.append(constant(ones(weights.outputs - end), [1, 1, weights.outputs - end]))
    }
    let factors = pieces.count == 1 ? pieces[0] : Tensor.concatenated(pieces, axis: 2)
    // Multiplying by a column of ones repeats the factors in each row.
    let rows = weights.taps * weights.inputs
    let scale = constant(ones(rows), [rows, 1]).linear(weights: factors).reshaped(weights.shape)
    return changed * scale - own
  }

  /// The change that is added to the weights.
  private func sum(_ parts: [Part], of weights: Parameter, on tape: Tape) -> Tensor {
    var pieces: [Tensor] = []
    var end = 0
    func fill(to place: Int) {
      guard place > end else { return }
      pieces.append(tape.zeros([weights.taps, weights.inputs, place - end]))
    }
    for part in parts.sorted(by: { $0.outputs.lowerBound < $1.outputs.lowerBound }) {
      fill(to: part.outputs.lowerBound)
      let product = part.factors.product(on: tape)
      pieces.append(part.scale == 1 ? product : product.scaled(by: part.scale))
      end = part.outputs.upperBound
    }
    fill(to: weights.outputs)
    return pieces.count == 1 ? pieces[0] : .concatenated(pieces, axis: 2)
  }
}
