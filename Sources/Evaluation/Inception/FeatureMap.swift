import Kernels

/// The activations of one image, [H, W, C] float32; their memory returns to the pass with the last reference.
final class FeatureMap {
  let height: Int
  let width: Int
  let channels: Int
  let elements: UnsafeMutablePointer<Float>
  private let memory: UnsafeMutableBufferPointer<Float>
  private let owner: InferencePass

  fileprivate init(
    height: Int, width: Int, channels: Int, memory: UnsafeMutableBufferPointer<Float>, owner: InferencePass
  ) {
    self.height = height
    self.width = width
    self.channels = channels
    self.memory = memory
    self.owner = owner
    elements = memory.baseAddress!
  }

  deinit { owner.give(memory) }

  var pixels: Int { height * width }
}

/// The memory of one image's forward pass, on one thread; reused by the next image.
final class InferencePass {
  private var free: [UnsafeMutableBufferPointer<Float>] = []
  /// Scratch memory for the patches of convolutions.
  private var scratch: UnsafeMutableBufferPointer<Float>?

  deinit {
    for memory in free { memory.deallocate() }
    scratch?.deallocate()
  }

  /// Memory for a feature map, uninitialised.
  func map(_ height: Int, _ width: Int, _ channels: Int) -> FeatureMap {
    let count = height * width * channels
    // The smallest that fits, to keep large blocks for large maps.
    let best = free.indices.filter { free[$0].count >= count }.min { free[$0].count < free[$1].count }
    let memory = best.map { free.remove(at: $0) } ?? FloatMemory.allocate(count)
    return FeatureMap(height: height, width: width, channels: channels, memory: memory, owner: self)
  }

  fileprivate func give(_ memory: UnsafeMutableBufferPointer<Float>) { free.append(memory) }

  /// Uninitialised memory for `count` floats, which the next call returns again.
  func patches(_ count: Int) -> UnsafeMutablePointer<Float> {
    if let scratch, scratch.count >= count { return scratch.baseAddress! }
    scratch?.deallocate()
    let grown = FloatMemory.allocate(count)
    scratch = grown
    return grown.baseAddress!
  }
}
