extension Tensor {
  /// Whether this is a scalar: a single element in at most one dimension.
  public var isScalar: Bool { count == 1 && shape.count <= 1 }

  /// The same elements in another shape.
  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(shape.reduce(1, *) == count, "\(self.shape) as \(shape)")
    // Gradients are flat like the elements, so the view shares this tensor's.
    return Tensor(
      shape: shape, storage: storage, tape: tape, target: target, parameterName: parameterName)
  }

  /// One token of each sample: [B, N, C] -> [B, C].
  ///
  /// - Parameter indices: B numbers from 0 to N - 1.
  public func tokens(at indices: [Int]) -> Tensor {
    let n = pixels
    precondition(
      indices.count == batch && indices.allSatisfy { (0..<n).contains($0) }, "tokens \(indices) of \(shape)")
    return reshaped([batch * n, channels]).rows(indices.enumerated().map { $0 * n + $1 })
  }
}
