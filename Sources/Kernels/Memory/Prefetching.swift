import CProcessor

extension UnsafePointer<Float> {
  /// Prefetches `count` floats, one cache line at a time; the addresses need not be valid.
  @inline(__always) func prefetch(_ count: Int) {
    var place = 0
    while place < count {
      oboro_prefetch(self + place)
      place &+= Vector.width
    }
  }

  /// Prefetches floats that are used only once and should not displace others in the larger caches.
  @inline(__always) func prefetchPassing(_ count: Int) {
    var place = 0
    while place < count {
      oboro_prefetch_passing(self + place)
      place &+= Vector.width
    }
  }

  /// Prefetches memory that will be written.
  @inline(__always) func prefetchForWriting(_ count: Int) {
    var place = 0
    while place < count {
      oboro_prefetch_for_writing(self + place)
      place &+= Vector.width
    }
  }
}

extension Range<Int> {
  /// One of `parts` parts of 0..<`count`, all of equal length except for the last ones.
  @inline(__always) init(part: Int, of parts: Int, upTo count: Int) {
    let length = (count &+ parts &- 1) / parts
    let start = Swift.min(part &* length, count)
    self = start..<Swift.min(start &+ length, count)
  }
}
