import MPI

/// Every collective on every element type.
func checkCollectives(_ context: Context) throws {
  try context.atChunkLimits { world in
    try checkCollectives(world, Float.self)
    try checkCollectives(world, Double.self)
    try checkCollectives(world, Int32.self)
    try checkCollectives(world, Int64.self)
    try checkCollectives(world, Int.self)
    try checkCollectives(world, UInt8.self)
    try checkCollectives(world, UInt32.self)
    try checkCollectives(world, UInt64.self)
    try checkBits(world, Int32.self)
    try checkBits(world, Int64.self)
    try checkBits(world, Int.self)
    try checkBits(world, UInt8.self)
    try checkBits(world, UInt32.self)
    try checkBits(world, UInt64.self)
    try checkConveniences(world)
  }
}

private func checkCollectives<T: TestElement>(_ world: Communicator, _ type: T.Type) throws {
  for count in [0, 1, 6, 7, 8, 14, 23] {
    for root in 0..<world.size { try checkBroadcast(world, type, count, root) }
    for (reduction, combine) in reductions(type) {
      try checkAllReduce(world, type, count, reduction, combine)
      try checkReduceScatter(world, type, [Int](repeating: count, count: world.size), reduction, combine)
      try checkReduceScatter(world, type, unequalCounts(world, count), reduction, combine)
    }
    try checkGathers(world, type, [Int](repeating: count, count: world.size))
    try checkGathers(world, type, unequalCounts(world, count))
  }
}

/// Counts that differ from rank to rank, with zeros among them.
private func unequalCounts(_ world: Communicator, _ count: Int) -> [Int] {
  (0..<world.size).map { ($0 * 5 + count) % 11 }
}

private func reductions<T: TestElement>(_ type: T.Type) -> [(Reduction<T>, (T, T) -> T)] {
  [(.sum, { $0 + $1 }), (.min, { Swift.min($0, $1) }), (.max, { Swift.max($0, $1) })]
}

/// What the ranks' patterns reduce to.
private func reduced<T: TestElement>(_ world: Communicator, _ count: Int, _ combine: (T, T) -> T) -> [T] {
  (1..<world.size).reduce(pattern(rank: 0, count: count)) {
    zip($0, pattern(rank: $1, count: count)).map(combine)
  }
}

private func checkBroadcast<T: TestElement>(
  _ world: Communicator, _ type: T.Type, _ count: Int, _ root: Int
) throws {
  var values: [T] = pattern(rank: world.rank, count: count)
  try values.withUnsafeMutableBufferPointer { try world.broadcast($0, root: root) }
  try expect(values, equals: pattern(rank: root, count: count), "broadcast of \(count) \(type) from \(root)")
}

private func checkAllReduce<T: TestElement>(
  _ world: Communicator, _ type: T.Type, _ count: Int, _ reduction: Reduction<T>, _ combine: (T, T) -> T
) throws {
  let own: [T] = pattern(rank: world.rank, count: count)
  let expected = reduced(world, count, combine)
  try expect(try world.allReduce(own, reduction), equals: expected, "in-place all-reduce of \(count) \(type)")
  var result = [T](repeating: 0, count: count)
  try own.withUnsafeBufferPointer { own in
    try result.withUnsafeMutableBufferPointer { try world.allReduce(own, into: $0, reduction) }
  }
  try expect(result, equals: expected, "all-reduce of \(count) \(type)")
}

private func checkReduceScatter<T: TestElement>(
  _ world: Communicator, _ type: T.Type, _ counts: [Int], _ reduction: Reduction<T>, _ combine: (T, T) -> T
) throws {
  let total = counts.reduce(0, +)
  let start = counts[..<world.rank].reduce(0, +)
  let own: [T] = pattern(rank: world.rank, count: total)
  let expected = Array(reduced(world, total, combine)[start..<start + counts[world.rank]])
  for usesBlocks in counts.allSatisfy({ $0 == counts[0] }) ? [false, true] : [false] {
    var result = [T](repeating: 0, count: counts[world.rank])
    try own.withUnsafeBufferPointer { own in
      try result.withUnsafeMutableBufferPointer {
        if usesBlocks {
          try world.reduceScatter(own, into: $0, reduction)
        } else {
          try world.reduceScatter(own, counts: counts, into: $0, reduction)
        }
      }
    }
    try expect(result, equals: expected, "reduce-scatter of \(counts) \(type), blocks \(usesBlocks)")
  }
}

private func checkGathers<T: TestElement>(_ world: Communicator, _ type: T.Type, _ counts: [Int]) throws {
  let parts: [[T]] = counts.enumerated().map { pattern(rank: $0, count: $1) }
  let expected = Array(parts.joined())
  let isEqual = counts.allSatisfy { $0 == counts[0] }

  /// The result of `body` on an array that `body` fills.
  func filled(_ start: [T], _ body: (UnsafeMutableBufferPointer<T>) throws -> Void) throws -> [T] {
    var values = start
    try values.withUnsafeMutableBufferPointer { try body($0) }
    return values
  }
  let zeros = [T](repeating: 0, count: expected.count)
  let ownOnly = Array(parts.enumerated().map { $0 == world.rank ? $1 : $1.map { _ in 0 } }.joined())

  try parts[world.rank].withUnsafeBufferPointer { own in
    let what = "gather of \(counts) \(type)"
    try expect(
      try filled(zeros) { try world.allGather(own, counts: counts, into: $0) }, equals: expected, what)
    try expect(
      try filled(ownOnly) { try world.allGather(inPlace: $0, counts: counts) }, equals: expected, what)
    if isEqual {
      try expect(try filled(zeros) { try world.allGather(own, into: $0) }, equals: expected, what)
      try expect(try filled(ownOnly) { try world.allGather(inPlace: $0) }, equals: expected, what)
    }
    for root in 0..<world.size {
      let atRoot = world.rank == root ? expected : zeros
      try expect(
        try filled(zeros) { try world.gather(own, counts: counts, into: $0, root: root) }, equals: atRoot,
        what)
      guard isEqual else { continue }
      try expect(try filled(zeros) { try world.gather(own, into: $0, root: root) }, equals: atRoot, what)
    }
  }
  try expect(try world.allGather(parts[world.rank]), equals: parts, "all-gather of arrays of \(counts)")
  let root = world.size - 1
  try expect(
    try world.gather(parts[world.rank], root: root), equals: world.rank == root ? parts : nil,
    "gather of arrays of \(counts)")
}

private func checkBits<T: TestElement & FixedWidthInteger>(_ world: Communicator, _ type: T.Type) throws {
  let own: [T] = pattern(rank: world.rank, count: 23)
  let truth = own.map { $0 % 3 }
  try expect(try world.allReduce(own, .bitwiseAnd), equals: reduced(world, 23) { $0 & $1 }, "and of \(type)")
  try expect(try world.allReduce(own, .bitwiseOr), equals: reduced(world, 23) { $0 | $1 }, "or of \(type)")
  try expect(try world.allReduce(own, .bitwiseXor), equals: reduced(world, 23) { $0 ^ $1 }, "xor of \(type)")
  let all = (0..<world.size).map { pattern(T.self, rank: $0, count: 23).map { $0 % 3 != 0 } }
  try expect(
    try world.allReduce(truth, .logicalAnd).map { $0 != 0 },
    equals: (0..<23).map { index in all.allSatisfy { $0[index] } }, "logical and of \(type)")
  try expect(
    try world.allReduce(truth, .logicalOr).map { $0 != 0 },
    equals: (0..<23).map { index in all.contains { $0[index] } }, "logical or of \(type)")
}

private func checkConveniences(_ world: Communicator) throws {
  let last = world.size - 1
  try expect(try world.broadcast(world.rank * 10, root: last), equals: last * 10)
  try expect(
    try world.broadcast(pattern(Float.self, rank: world.rank, count: world.rank * 9), root: last),
    equals: pattern(Float.self, rank: last, count: last * 9))
  try expect(try world.broadcast("grüße from \(world.rank)", root: last), equals: "grüße from \(last)")
  try expect(try world.broadcast("", root: last), equals: "")
  try expect(try world.allReduce(world.rank, .max), equals: last)
  // Beyond what 32 bits, or a Double, hold.
  try expect(try world.allReduce(Int.max - world.size + world.rank, .max), equals: Int.max - 1)
  try expect(try world.allReduce(UInt64.max - UInt64(world.rank), .min), equals: UInt64.max - UInt64(last))
  try expect(try world.allHold(true), equals: true)
  try expect(try world.allHold(world.rank != last), equals: false)
  try expect(try world.anyHolds(false), equals: false)
  try expect(try world.anyHolds(world.rank == last), equals: true)
  try expect(try world.allGather(world.rank), equals: Array(0...last))
  let words = (0...last).map { String(repeating: "é", count: $0) }
  try expect(try world.allGather(words[world.rank]), equals: words)
  try expect(try world.gather(words[world.rank]), equals: world.rank == 0 ? words : nil)
}
