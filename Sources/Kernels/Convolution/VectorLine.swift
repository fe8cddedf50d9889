/// A short, fixed number of vectors in plain variables, so that they stay in registers.
protocol VectorLine {
  /// Creates each vector from its index.
  init(_ vector: (Int) -> Vector)
  func forEach(_ body: (Int, Vector) -> Void)
}

extension VectorLine {
  /// Loads vectors `stride` floats apart.
  @inline(__always)
  init(from memory: UnsafePointer<Float>, stride: Int) {
    self.init { Vector(from: memory + $0 &* stride) }
  }

  @inline(__always)
  func store(to memory: UnsafeMutablePointer<Float>, stride: Int) {
    forEach { $1.store(to: memory + $0 &* stride) }
  }
}

struct TwoLine: VectorLine {
  let v0, v1: Vector

  @inline(__always) init(_ v0: Vector, _ v1: Vector) { (self.v0, self.v1) = (v0, v1) }
  @inline(__always) init(_ vector: (Int) -> Vector) { self.init(vector(0), vector(1)) }
  @inline(__always) func forEach(_ body: (Int, Vector) -> Void) {
    body(0, v0)
    body(1, v1)
  }
}

struct ThreeLine: VectorLine {
  let v0, v1, v2: Vector

  @inline(__always) init(_ v0: Vector, _ v1: Vector, _ v2: Vector) {
    (self.v0, self.v1, self.v2) = (v0, v1, v2)
  }
  @inline(__always) init(_ vector: (Int) -> Vector) { self.init(vector(0), vector(1), vector(2)) }
  @inline(__always) func forEach(_ body: (Int, Vector) -> Void) {
    body(0, v0)
    body(1, v1)
    body(2, v2)
  }
}

struct FourLine: VectorLine {
  let v0, v1, v2, v3: Vector

  @inline(__always) init(_ v0: Vector, _ v1: Vector, _ v2: Vector, _ v3: Vector) {
    (self.v0, self.v1, self.v2, self.v3) = (v0, v1, v2, v3)
  }
  @inline(__always) init(_ vector: (Int) -> Vector) {
    self.init(vector(0), vector(1), vector(2), vector(3))
  }
  @inline(__always) func forEach(_ body: (Int, Vector) -> Void) {
    body(0, v0)
    body(1, v1)
    body(2, v2)
    body(3, v3)
  }
}

struct FiveLine: VectorLine {
  let v0, v1, v2, v3, v4: Vector

  @inline(__always) init(_ v0: Vector, _ v1: Vector, _ v2: Vector, _ v3: Vector, _ v4: Vector) {
    (self.v0, self.v1, self.v2, self.v3, self.v4) = (v0, v1, v2, v3, v4)
  }
  @inline(__always) init(_ vector: (Int) -> Vector) {
    self.init(vector(0), vector(1), vector(2), vector(3), vector(4))
  }
  @inline(__always) func forEach(_ body: (Int, Vector) -> Void) {
    body(0, v0)
    body(1, v1)
    body(2, v2)
    body(3, v3)
    body(4, v4)
  }
}

struct SixLine: VectorLine {
  let v0, v1, v2, v3, v4, v5: Vector

  @inline(__always)
  init(_ v0: Vector, _ v1: Vector, _ v2: Vector, _ v3: Vector, _ v4: Vector, _ v5: Vector) {
    (self.v0, self.v1, self.v2, self.v3, self.v4, self.v5) = (v0, v1, v2, v3, v4, v5)
  }
  @inline(__always) init(_ vector: (Int) -> Vector) {
    self.init(vector(0), vector(1), vector(2), vector(3), vector(4), vector(5))
  }
  @inline(__always) func forEach(_ body: (Int, Vector) -> Void) {
    body(0, v0)
    body(1, v1)
    body(2, v2)
    body(3, v3)
    body(4, v4)
    body(5, v5)
  }
}
