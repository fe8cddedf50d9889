/// Builds the blocks of Inception-v3 from their weights (Szegedy and others, "Rethinking the Inception Architecture for
/// Computer Vision", 2016, figures 5 to 7), with torchvision's names and pytorch-fid's pooling.
struct InceptionBuilder {
  private typealias Branch = InceptionBranch

  var weights: InceptionWeights
  /// Output channels of the network built so far.
  private(set) var channels = 3

  init(_ path: String) throws { weights = try InceptionWeights(path) }

  /// A layer of the stem.
  mutating func stem(_ name: String, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0) throws
    -> FoldedConvolution
  {
    let layer = try weights.convolution(
      name, channels, outputs, kernel: (kernel, kernel), stride: stride, padding: (padding, padding))
    channels = layer.shape.outputs
    return layer
  }

  /// One convolution of a branch: name, channels, and kernel, with half the kernel's size as padding by default.
  private struct Layer {
    let name: String
    let outputs: Int
    let kernel: (height: Int, width: Int)
    var stride = 1
    var padding: (height: Int, width: Int)

    init(_ name: String, _ outputs: Int, _ height: Int = 1, _ width: Int = 1) {
      self.name = name
      self.outputs = outputs
      kernel = (height, width)
      padding = (height / 2, width / 2)
    }

    /// A 3 x 3 convolution that halves the map, without padding.
    static func halving(_ name: String, _ outputs: Int) -> Layer {
      var layer = Layer(name, outputs, 3, 3)
      layer.stride = 2
      layer.padding = (0, 0)
      return layer
    }
  }

  private mutating func branch(
    _ block: String, pool: Branch.Layer? = nil, _ layers: [Layer], ends: [Layer] = []
  ) throws -> Branch {
    var (built, width) = (pool.map { [$0] } ?? [], channels)
    for layer in layers {
      let convolution = try convolution(block, layer, inputs: width)
      width = convolution.shape.outputs
      built.append(.convolution(convolution))
    }
    return Branch(layers: built, ends: try ends.map { try convolution(block, $0, inputs: width) })
  }

  private mutating func convolution(_ block: String, _ layer: Layer, inputs: Int) throws -> FoldedConvolution
  {
    try weights.convolution(
      "\(block).\(layer.name)", inputs, layer.outputs, kernel: layer.kernel, stride: layer.stride,
      padding: layer.padding)
  }

  private mutating func block(_ branches: [Branch], stride: Int = 1) -> InceptionBlock {
    let inputs = channels
    channels = branches.reduce(0) { width, branch in
      if !branch.ends.isEmpty { return width + branch.ends.reduce(0) { $0 + $1.shape.outputs } }
      guard case .convolution(let last) = branch.layers.last else { return width + inputs }
      return width + last.shape.outputs
    }
    return InceptionBlock(branches: branches, outputs: channels, stride: stride)
  }

  /// 35 x 35 pixels.
  mutating func blockA(_ name: String, poolFeatures: Int) throws -> InceptionBlock {
    block([
      try branch(name, [Layer("branch1x1", 64)]),
      try branch(name, [Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, 5, 5)]),
      try branch(
        name,
        [Layer("branch3x3dbl_1", 64), Layer("branch3x3dbl_2", 96, 3, 3), Layer("branch3x3dbl_3", 96, 3, 3)]),
      try branch(name, pool: .averagePool, [Layer("branch_pool", poolFeatures)]),
    ])
  }

  /// 35 x 35 to 17 x 17.
  mutating func blockB(_ name: String) throws -> InceptionBlock {
    block(
      [
        try branch(name, [.halving("branch3x3", 384)]),
        try branch(
          name,
          [Layer("branch3x3dbl_1", 64), Layer("branch3x3dbl_2", 96, 3, 3), .halving("branch3x3dbl_3", 96)]),
        try branch(name, pool: .maxPool(stride: 2, padding: 0), []),
      ], stride: 2)
  }

  /// 17 x 17 pixels.
  mutating func blockC(_ name: String, width: Int) throws -> InceptionBlock {
    block([
      try branch(name, [Layer("branch1x1", 192)]),
      try branch(
        name,
        [Layer("branch7x7_1", width), Layer("branch7x7_2", width, 1, 7), Layer("branch7x7_3", 192, 7, 1)]),
      try branch(
        name,
        [
          Layer("branch7x7dbl_1", width), Layer("branch7x7dbl_2", width, 7, 1),
          Layer("branch7x7dbl_3", width, 1, 7),
          Layer("branch7x7dbl_4", width, 7, 1), Layer("branch7x7dbl_5", 192, 1, 7),
        ]),
      try branch(name, pool: .averagePool, [Layer("branch_pool", 192)]),
    ])
  }

  /// 17 x 17 to 8 x 8.
  mutating func blockD(_ name: String) throws -> InceptionBlock {
    block(
      [
        try branch(name, [Layer("branch3x3_1", 192), .halving("branch3x3_2", 320)]),
        try branch(
          name,
          [
            Layer("branch7x7x3_1", 192), Layer("branch7x7x3_2", 192, 1, 7), Layer("branch7x7x3_3", 192, 7, 1),
            .halving("branch7x7x3_4", 192),
          ]),
        try branch(name, pool: .maxPool(stride: 2, padding: 0), []),
      ], stride: 2)
  }

  /// 8 x 8 pixels.
  ///
  /// - Parameter pool: pytorch-fid's last block takes a maximum where the paper and the first block take a mean,
  ///   because the network with which FID was defined does so.
  mutating func blockE(_ name: String, pool: InceptionBranch.Layer) throws -> InceptionBlock {
    func ends(_ name: String, _ number: Int) -> [Layer] {
      [Layer("\(name)_\(number)a", 384, 1, 3), Layer("\(name)_\(number)b", 384, 3, 1)]
    }
    return block([
      try branch(name, [Layer("branch1x1", 320)]),
      try branch(name, [Layer("branch3x3_1", 384)], ends: ends("branch3x3", 2)),
      try branch(
        name, [Layer("branch3x3dbl_1", 448), Layer("branch3x3dbl_2", 384, 3, 3)],
        ends: ends("branch3x3dbl", 3)),
      try branch(name, pool: pool, [Layer("branch_pool", 192)]),
    ])
  }
}
