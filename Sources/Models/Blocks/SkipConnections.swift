/// The channels of a U-Net's skip connections.
struct SkipConnections {
  /// Channels of the skip connections in the order in which they are produced: the first convolution, then for each
  /// resolution its blocks and its downsampling.
  let channels: [Int]
  /// For each resolution of the upsampling path, from the lowest, and each of its residual blocks: the channels from
  /// below and those of the skip connection.
  let inputs: [[(below: Int, skip: Int)]]

  /// - Parameter stages: channels and number of residual blocks, from full resolution down; the upsampling path has one
  ///   more block per stage.
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

  /// Total input channels of each residual block.
  var sums: [[Int]] { inputs.map { $0.map { $0.below + $0.skip } } }
}
