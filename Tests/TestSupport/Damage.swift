/// SplitMix64 (Steele, Lea and Flood, 2014): the same damage on every machine.
public struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// A file's bytes with some damage: bits flipped, bytes set to extremes, inserted, taken out, or cut off at the end.
///
/// - Parameter header: how many bytes at the beginning matter most: every other damage falls there.
public func damaged(_ bytes: [UInt8], header: Int, using generator: inout SeededGenerator) -> [UInt8] {
  var bytes = bytes
  for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
    let reach = Bool.random(using: &generator) ? min(header, bytes.count) : bytes.count
    let place = Int.random(in: 0..<reach, using: &generator)
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes[place] = [0, 0x7F, 0x80, 0xFF][Int.random(in: 0..<4, using: &generator)]
    case 2: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
    case 4: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...9, using: &generator)))
    default: bytes.removeSubrange(place...)
    }
  }
  return bytes
}
