import CProcessor

extension UnsafePointer<Float> {
  /// Fetches `count` floats ahead of their use: the place of each cache line, none of which need exist.
  @inline(__always) func prefetch(_ count: Int) {
    var place = 0
    while place < count {
      oboro_prefetch(self + place)
      place &+= Vector.width
    }
  }

  /// The same for what is used once, and shall not take the place of others in the larger caches.
  @inline(__always) func prefetchPassing(_ count: Int) {
    var place = 0
    while place < count {
      oboro_prefetch_passing(self + place)
      place &+= Vector.width
    }
  }

  /// The same as `prefetch` for memory that will be written.
  @inline(__always) func prefetchForWriting(_ count: Int) {
    var place = 0
    while place < count {
      oboro_prefetch_for_writing(self + place)
      place &+= Vector.width
    }
  }
}

extension Range<Int> {
  /// One of `parts` parts of 0..<`count`, of equal lengths but for the last ones.
  @inline(__always) init(part: Int, of parts: Int, upTo count: Int) {
    let length = (count &+ parts &- 1) / parts
    let start = Swift.min(part &* length, count)
    self = start..<Swift.min(start &+ length, count)
  }
}
