/// The keys and values of one head, padded with zeros to whole vectors.
///
/// Layouts: keys and values [L', D'], transposed [D', S]; L' and D' are L and D rounded up to multiples of 16, and S is
/// at least L'.
struct PackedHead {
  /// The score of a masked key, far below any real score.
  static let maskedScore: Float = -1e30
  /// A threshold between the scores of masked keys and all others.
  static let lowestScore: Float = -1e29

  let keyCount: Int
  let headWidth: Int
  let paddedKeys: Int
  let paddedWidth: Int
  /// The distance between rows of the transposed keys or values in floats.
  let transposedStride: Int
  private let tasks: Int

  init(_ attention: DotProductAttention) {
    keyCount = attention.keys
    headWidth = attention.headWidth
    paddedKeys = Self.padded(attention.keys)
    paddedWidth = Self.padded(attention.headWidth)
    // Rows a large power of two apart would all map to the same cache sets.
    transposedStride = paddedKeys + (paddedKeys % 256 == 0 ? Vector.width : 0)
    tasks = attention.tasksPerHead
  }

  static func padded(_ count: Int) -> Int { (count + Vector.width - 1) / Vector.width * Vector.width }

  private var matrix: Int { paddedKeys * paddedWidth }
  private var transposedMatrix: Int { transposedStride * paddedWidth }

  // The memory of a head: mask [L'], Kᵀ, then V (forward) or Vᵀ, K and each task's parts of dK and dV (backward).
  var forwardCount: Int { paddedKeys + transposedMatrix + matrix }
  var backwardCount: Int { paddedKeys + 2 * transposedMatrix + (1 + 2 * tasks) * matrix }

  func mask(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> { memory }
  func transposedKeys(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys
  }
  /// In the forward pass.
  func values(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys + transposedMatrix
  }
  /// In the backward pass, as are the following.
  func transposedValues(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys + transposedMatrix
  }
  func keys(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys + 2 * transposedMatrix
  }
  func keyGradient(_ memory: UnsafeMutablePointer<Float>, task: Int) -> UnsafeMutablePointer<Float> {
    keys(memory) + (1 + 2 * task) * matrix
  }
  func valueGradient(_ memory: UnsafeMutablePointer<Float>, task: Int) -> UnsafeMutablePointer<Float> {
    keys(memory) + (2 + 2 * task) * matrix
  }

  /// - Parameters:
  ///   - keys, values: those of the head's first token, in rows `stride` floats apart.
  ///   - keyMask: [L]; 0 masks a key.
  func packForward(
    keys: UnsafePointer<Float>, values: UnsafePointer<Float>, stride: Int, keyMask: UnsafePointer<Float>?,
    into memory: UnsafeMutablePointer<Float>
  ) {
    fillMask(memory, keyMask)
    transpose(keys, stride, into: transposedKeys(memory))
    copy(values, stride, into: self.values(memory))
  }

  func packBackward(
    keys: UnsafePointer<Float>, values: UnsafePointer<Float>, stride: Int, keyMask: UnsafePointer<Float>?,
    into memory: UnsafeMutablePointer<Float>
  ) {
    fillMask(memory, keyMask)
    transpose(keys, stride, into: transposedKeys(memory))
    transpose(values, stride, into: transposedValues(memory))
    copy(keys, stride, into: self.keys(memory))
  }

  /// Writes dK and dV, summed over the tasks in order.
  func addTasks(
    _ memory: UnsafeMutablePointer<Float>, keyGradient: UnsafeMutablePointer<Float>,
    valueGradient: UnsafeMutablePointer<Float>, stride: Int
  ) {
    for token in 0..<keyCount {
      let place = token &* paddedWidth
      let (dk, dv) = (keyGradient + token &* stride, valueGradient + token &* stride)
      dk.update(from: self.keyGradient(memory, task: 0) + place, count: headWidth)
      dv.update(from: self.valueGradient(memory, task: 0) + place, count: headWidth)
      for task in 1..<tasks {
        Reduction.add(self.keyGradient(memory, task: task) + place, to: dk, count: headWidth)
        Reduction.add(self.valueGradient(memory, task: task) + place, to: dv, count: headWidth)
      }
    }
  }

  /// Fills the initial scores: 0, and for masked and padding keys a value whose exponential vanishes.
  private func fillMask(_ memory: UnsafeMutablePointer<Float>, _ keyMask: UnsafePointer<Float>?) {
    let mask = mask(memory)
    if let keyMask {
      for key in 0..<keyCount { mask[key] = keyMask[key] == 0 ? Self.maskedScore : 0 }
    } else {
      mask.update(repeating: 0, count: keyCount)
    }
    (mask + keyCount).update(repeating: Self.maskedScore, count: paddedKeys - keyCount)
  }

  private func copy(_ source: UnsafePointer<Float>, _ stride: Int, into target: UnsafeMutablePointer<Float>) {
    if paddedWidth > headWidth { target.update(repeating: 0, count: matrix) }
    for token in 0..<keyCount {
      (target + token &* paddedWidth).update(from: source + token &* stride, count: headWidth)
    }
    (target + keyCount * paddedWidth).update(repeating: 0, count: (paddedKeys - keyCount) * paddedWidth)
  }

  private func transpose(
    _ source: UnsafePointer<Float>, _ stride: Int, into target: UnsafeMutablePointer<Float>
  ) {
    // Sixteen tokens at a time, so that their rows stay in cache while whole vectors of the result are written.
    for first in Swift.stride(from: 0, to: keyCount, by: Vector.width) {
      let count = min(Vector.width, keyCount - first)
      for d in 0..<headWidth {
        let column = target + (d &* transposedStride &+ first)
        for token in 0..<count { column[token] = source[(first &+ token) &* stride &+ d] }
        for token in count..<Vector.width { column[token] = 0 }
      }
    }
    (target + headWidth * transposedStride).update(
      repeating: 0, count: (paddedWidth - headWidth) * transposedStride)
  }
}
