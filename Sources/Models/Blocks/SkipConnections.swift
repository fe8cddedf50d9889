/// The channels of a U-Net's skip connections.
struct SkipConnections {
  /// What the way down leaves: the first convolution, then of each resolution its blocks and what is halved.
  let channels: [Int]
  /// Of each resolution on the way up, from the lowest, and of each of its residual blocks: the channels from below and
  /// those of the skip connection.
  let inputs: [[(below: Int, skip: Int)]]

  /// - Parameter stages: from full resolution down, channels and residual blocks; on the way up there is one block more.
  init(_ stages: [(width: Int, layers: Int)]) {
    var skips = [stages[0].width]
    for (index, stage) in stages.enumerated() {
      skips += [Int](repeating: stage.width, count: stage.layers + (index < stages.count - 1 ? 1 : 0))
    }
    channels = skips
    var below = stages[stages.count - 1].width
    inputs = stages.reversed().map { stage in
      (0...stage.layers).map { _ in
        defer { below = stage.width }
        return (below, skips.removeLast())
      }
    }
  }

  /// All channels that each residual block reads.
  var sums: [[Int]] { inputs.map { $0.map { $0.below + $0.skip } } }
}
