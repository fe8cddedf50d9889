/// The keys and values of one head, padded with zeros to whole vectors, as right factors of tiles' products.
///
/// Layouts: keys and values [L', D'], transposed [D', S]; L' and D' are L and D rounded up to multiples of 16, and S is
/// at least L'. Of a `Factor` with two elements along the depth there are half as many rows, in the first half of the
/// memory.
struct PackedHead<Factor: TileFactor> {

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

  /// The depth of products over the width of a head, in factors.
  var depth: Int { Factor.count(headWidth) }

  private var matrix: Int { paddedKeys * paddedWidth }
  private var transposedMatrix: Int { transposedStride * paddedWidth }

  // The memory of a head: mask [L'], Kᵀ, then V (forward) or Vᵀ, K and each task's parts of dK and dV (backward).
  var forwardCount: Int { paddedKeys + transposedMatrix + matrix }
  var backwardCount: Int { paddedKeys + 2 * transposedMatrix + (1 + 2 * tasks) * matrix }

  func mask(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> { memory }
  func transposedKeys(_ memory: UnsafeMutablePointer<Float>) -> UnsafePointer<Factor> {
    factors(transposedKeyPlace(memory))
  }
  /// In the forward pass; from key `first` on, a multiple of 16.
  func values(_ memory: UnsafeMutablePointer<Float>, from first: Int) -> UnsafePointer<Factor> {
    factors(secondPlace(memory)) + first / Factor.elements * paddedWidth
  }
  /// In the backward pass, as are the following.
  func transposedValues(_ memory: UnsafeMutablePointer<Float>) -> UnsafePointer<Factor> {
    factors(secondPlace(memory))
  }
  /// From key `first` on, a multiple of 16.
  func keys(_ memory: UnsafeMutablePointer<Float>, from first: Int) -> UnsafePointer<Factor> {
    factors(keyPlace(memory)) + first / Factor.elements * paddedWidth
  }
  func keyGradient(_ memory: UnsafeMutablePointer<Float>, task: Int) -> UnsafeMutablePointer<Float> {
    keyPlace(memory) + (1 + 2 * task) * matrix
  }
  func valueGradient(_ memory: UnsafeMutablePointer<Float>, task: Int) -> UnsafeMutablePointer<Float> {
    keyPlace(memory) + (2 + 2 * task) * matrix
  }

  private func transposedKeyPlace(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys
  }
  private func secondPlace(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys + transposedMatrix
  }
  private func keyPlace(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedKeys + 2 * transposedMatrix
  }
  private func factors(_ memory: UnsafeMutablePointer<Float>) -> UnsafePointer<Factor> {
    UnsafePointer(UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Factor.self))
  }

  /// - Parameters:
  ///   - keys, values: those of the head's first token, in rows `stride` floats apart.
  ///   - keyMask: [L]; 0 masks a key.
  func packForward(
    keys: UnsafePointer<Float>, values: UnsafePointer<Float>, stride: Int, keyMask: UnsafePointer<Float>?,
    into memory: UnsafeMutablePointer<Float>
  ) {
    fillMask(memory, keyMask)
    transpose(keys, stride, into: transposedKeyPlace(memory))
    copy(values, stride, into: secondPlace(memory))
  }

  func packBackward(
    keys: UnsafePointer<Float>, values: UnsafePointer<Float>, stride: Int, keyMask: UnsafePointer<Float>?,
    into memory: UnsafeMutablePointer<Float>
  ) {
    fillMask(memory, keyMask)
    transpose(keys, stride, into: transposedKeyPlace(memory))
    transpose(values, stride, into: secondPlace(memory))
    copy(keys, stride, into: keyPlace(memory))
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
      for key in 0..<keyCount { mask[key] = keyMask[key] == 0 ? MaskedScore.value : 0 }
    } else {
      mask.update(repeating: 0, count: keyCount)
    }
    (mask + keyCount).update(repeating: MaskedScore.value, count: paddedKeys - keyCount)
  }

  private func copy(_ source: UnsafePointer<Float>, _ stride: Int, into target: UnsafeMutablePointer<Float>) {
    if paddedWidth > headWidth { target.update(repeating: 0, count: matrix) }
    for token in 0..<keyCount {
      (target + token &* paddedWidth).update(from: source + token &* stride, count: headWidth)
    }
    (target + keyCount * paddedWidth).update(repeating: 0, count: (paddedKeys - keyCount) * paddedWidth)
    _ = Factor.right(target, depth: paddedKeys, columns: paddedWidth, into: target)
  }

  private func transpose(
    _ source: UnsafePointer<Float>, _ stride: Int, into target: UnsafeMutablePointer<Float>
  ) {
    Transposition.write(
      source, rows: keyCount, columns: headWidth, stride: stride, to: target, stride: transposedStride)
    for d in 0..<headWidth {
      (target + (d &* transposedStride &+ keyCount)).update(repeating: 0, count: paddedKeys - keyCount)
    }
    (target + headWidth * transposedStride).update(
      repeating: 0, count: (paddedWidth - headWidth) * transposedStride)
    _ = Factor.right(target, depth: paddedWidth, columns: transposedStride, into: target)
  }
}

/// The scores of keys that a query does not attend to.
enum MaskedScore {
  /// Far below any real score.
  static let value: Float = -1e30
  /// Between this and all others.
  static let threshold: Float = -1e29
}
