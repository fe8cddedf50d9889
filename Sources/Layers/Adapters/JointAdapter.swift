import Tensors

/// Adapters of one or several models that are trained together, such as those of a denoiser and of the text encoder
/// whose outputs it attends to. Their parameters form one set with one flat memory.
public struct JointAdapter: WeightAdaptation {
  /// One per model.
  public let parts: [Adapter]

  /// - Parameter parts: created in this order, with builders derived from the same root.
  public init(_ parts: [Adapter]) {
    precondition(
      !parts.isEmpty && parts.allSatisfy { $0.parameters.set == parts[0].parameters.set },
      "\(parts.map(\.parameters.set)) are not one set")
    self.parts = parts
  }

  public var parameters: ParameterLayout { parts[parts.count - 1].parameters }

  /// The same adapters with dropout on the inputs of low-rank changes.
  public func dropping(probability: Float, samples: TrainingSamples) -> JointAdapter {
    JointAdapter(
      parts.enumerated().map { model, part in
        part.dropping(AdapterDropout(probability: probability, samples: samples, model: model))
      })
  }

  public func change(of weights: Parameter, on tape: Tape) -> WeightChange? {
    for part in parts {
      if let change = part.change(of: weights, on: tape) { return change }
    }
    return nil
  }
}
