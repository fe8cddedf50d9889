import Foundation

/// The purpose that random numbers are drawn for. Each purpose has its own sequence, so an additional draw for one does
/// not affect the others. The raw values are inputs of the generator: changing them changes the results of runs.
public enum Purpose: UInt32, CaseIterable, Sendable {
  case initialization = 1
  case sampleOrder = 2
  case horizontalFlip = 3
  case timestep = 4
  case noise = 5
  case dropout = 6
  case labelDrop = 7
  case samplerStart = 8
  case samplerNoise = 9
  case shapes = 10
  case offsetNoise = 21
  case validation = 22
  case evaluation = 31
  case posterior = 41
  case captionDrop = 51
  case fieldDrop = 52
  case conditionDrop = 53
  case captionChoice = 54
  case simulation = 61
  case blockDropout = 71
}

/// The random numbers of one (seed, purpose, step, sample): a virtually unlimited sequence with random access.
///
/// A sample is identified by its position in the step's batch over all ranks, never by its position within a rank's
/// share, so nothing here depends on the world size or the number of threads.
public struct RandomStream: Sendable {
  private let philox: Philox
  private let purpose: UInt32
  private let step: UInt32
  private let sample: UInt32

  /// - Parameters:
  ///   - step: the training step, or another counter of the draws for this purpose, below 2^32.
  ///   - sample: the sample's position in the step's batch, below 2^32.
  public init(seed: UInt64, purpose: Purpose, step: Int = 0, sample: Int = 0) {
    precondition(
      step >= 0 && step <= UInt32.max && sample >= 0 && sample <= UInt32.max,
      "step \(step) and sample \(sample) must be in 0...\(UInt32.max)")
    philox = Philox(key: seed)
    self.purpose = purpose.rawValue
    self.step = UInt32(step)
    self.sample = UInt32(sample)
  }

  /// The 128 random bits at position `index` of the sequence.
  public func block(_ index: Int) -> Philox.Block {
    // A sequence has 2^56 blocks: 32 bits of the index go into the first word, and 24 next to the purpose.
    philox(
      Philox.Block(
        UInt32(truncatingIfNeeded: index), sample, step,
        purpose << 24 | UInt32(truncatingIfNeeded: index >> 32) & 0xFF_FFFF))
  }

  /// 64 random bits at position `index`.
  public func bits(_ index: Int = 0) -> UInt64 {
    let block = block(index)
    return UInt64(block.y) << 32 | UInt64(block.x)
  }

  /// A fair coin toss at position `index`.
  public func bool(_ index: Int = 0) -> Bool { block(index).x & 1 == 1 }

  /// An integer in `0..<bound` at position `index`; its bias is below `bound` / 2^64.
  public func integer(below bound: Int, _ index: Int = 0) -> Int {
    precondition(bound > 0, "bound must be positive, is \(bound)")
    return Int(bits(index).multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Fills `values` with uniform numbers in [`low`, `high`): element i depends on i alone.
  public func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, low: Float, high: Float) {
    fill(values) { block in
      let unit = SIMD4<Float>(block &>> 8) * 0x1p-24
      return pointwiseMin(low + (high - low) * unit, SIMD4(repeating: high.nextDown))
    }
  }

  /// Fills `values` with standard normal numbers: element i depends on i alone.
  ///
  /// Box-Muller: two uniform numbers u1 in (0, 1], u2 in [0, 1) give sqrt(-2 ln u1) (cos 2 pi u2, sin 2 pi u2).
  public func fillNormal(_ values: UnsafeMutableBufferPointer<Float>) {
    fill(values) { block in
      let first = Self.normalPair(block.x, block.y)
      let second = Self.normalPair(block.z, block.w)
      return SIMD4(first.0, first.1, second.0, second.1)
    }
  }

  private static func normalPair(_ a: UInt32, _ b: UInt32) -> (Float, Float) {
    let u1 = (Double(a) + 1) * 0x1p-32
    let angle = 2 * Double.pi * Double(b) * 0x1p-32
    let radius = (-2 * log(u1)).squareRoot()
    return (Float(radius * cos(angle)), Float(radius * sin(angle)))
  }

  /// Fills `values`, converting one block into four values at a time.
  @inline(__always)
  private func fill(_ values: UnsafeMutableBufferPointer<Float>, _ convert: (Philox.Block) -> SIMD4<Float>) {
    let whole = values.count / 4
    for place in 0..<whole {
      let four = convert(block(place))
      for lane in 0..<4 { values[4 &* place &+ lane] = four[lane] }
    }
    guard values.count > 4 * whole else { return }
    let last = convert(block(whole))
    for lane in 0..<values.count - 4 * whole { values[4 * whole + lane] = last[lane] }
  }
}
