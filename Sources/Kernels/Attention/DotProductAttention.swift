/// Multi-head attention softmax(Q Kᵀ / sqrt(D)) V (Vaswani et al., 2017) within each image, for heads of any width and
/// any number of queries and keys. Tiles of scores stay in cache; the N x L matrix is never materialised (Dao et al.,
/// 2022).
///
/// N queries and L keys per image, H heads of width D. Layouts: queries, their gradient, attended and its gradient
/// [B, N, H, D], keys, values and their gradients [B, L, H, D], statistics [B, H, N, 2] (each query's largest score and
/// 1 / Σ e^(score - largest)).
public struct DotProductAttention: Hashable, Sendable {
  public let batch: Int
  public let queries: Int
  public let keys: Int
  public let heads: Int
  public let headWidth: Int
  /// Whether query i attends only to keys 0 to i.
  public let isCausal: Bool
  /// How the factors of the products are rounded: queries, keys, values, probabilities and the gradients of these. Sums,
  /// softmax and statistics are float32.
  public let precision: ProductPrecision

  public init(
    batch: Int, queries: Int, keys: Int, heads: Int, headWidth: Int, isCausal: Bool = false,
    precision: ProductPrecision = .float32
  ) {
    precondition(
      batch > 0 && queries > 0 && keys > 0 && heads > 0 && headWidth > 0,
      "attention of \(batch) images, \(queries) queries, \(keys) keys, \(heads) heads of \(headWidth)")
    precondition(
      !isCausal || queries == keys,
      "causal attention of \(queries) queries to \(keys) keys: they must be as many")
    self.batch = batch
    self.queries = queries
    self.keys = keys
    self.heads = heads
    self.headWidth = headWidth
    self.isCausal = isCausal
    self.precision = ProductPrecision.hasBFloat16Products ? precision : .float32
  }

  /// Self-attention among the `tokens` tokens of each image.
  public init(
    batch: Int, tokens: Int, heads: Int, headWidth: Int, isCausal: Bool = false,
    precision: ProductPrecision = .float32
  ) {
    self.init(
      batch: batch, queries: tokens, keys: tokens, heads: heads, headWidth: headWidth, isCausal: isCausal,
      precision: precision)
  }

  /// The operands. A row holds the H D elements of a token; the rows of consecutive images follow each other.
  public struct Operands {
    let queries, keys, values: UnsafePointer<Float>
    let queryStride, keyStride: Int
    let keyMask: UnsafePointer<Float>?

    /// - Parameters:
    ///   - queryStride: the distance between rows of queries in floats.
    ///   - keyStride: the distance between rows of keys, and of values.
    ///   - keyMask: [B, L]; 0 masks a key. The result of a query whose keys are all masked is 0. nil masks no keys.
    public init(
      queries: UnsafePointer<Float>, queryStride: Int, keys: UnsafePointer<Float>,
      values: UnsafePointer<Float>, keyStride: Int, keyMask: UnsafePointer<Float>? = nil
    ) {
      self.queries = queries
      self.keys = keys
      self.values = values
      self.queryStride = queryStride
      self.keyStride = keyStride
      self.keyMask = keyMask
    }
  }

  /// The destinations of the operands' gradients, with the operands' strides.
  public struct Gradients {
    let queries, keys, values: UnsafeMutablePointer<Float>

    public init(
      queries: UnsafeMutablePointer<Float>, keys: UnsafeMutablePointer<Float>,
      values: UnsafeMutablePointer<Float>
    ) {
      self.queries = queries
      self.keys = keys
      self.values = values
    }
  }

  /// The number of queries per task. Each task sums its part of the gradients of keys and values separately.
  static let queriesPerTask = 512

  /// H D: the width of the queries.
  var hidden: Int { heads * headWidth }
  var scale: Float { 1 / Float(headWidth).squareRoot() }
  var tasksPerHead: Int { (queries + Self.queriesPerTask - 1) / Self.queriesPerTask }

  /// The queries of task `index` of a head.
  private func queries(_ index: Int) -> Range<Int> {
    index * Self.queriesPerTask..<min((index + 1) * Self.queriesPerTask, queries)
  }

  public func forward(
    _ operands: Operands, attended: UnsafeMutablePointer<Float>, statistics: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    switch precision {
    case .float32: forward(Float.self, operands, attended, statistics, pool)
    case .bf16: forward(BFloat16Pair.self, operands, attended, statistics, pool)
    }
  }

  private func forward<Factor: TileFactor>(
    _: Factor.Type, _ operands: Operands, _ attended: Memory, _ statistics: Memory, _ pool: ThreadPool
  ) {
    let packed = PackedHead<Factor>(self)
    let isMasked = isCausal || operands.keyMask != nil
    let scratchCount = AttentionForwardTask<Factor>.scratchCount(self)
    func attend(_ image: Int, _ head: Int, _ task: Int, _ memory: Memory, _ scratch: Memory) {
      AttentionForwardTask(
        self, packed, queries(task), isMasked: isMasked, head: memory, scratch: scratch
      ).run(
        operands.queries + queryPlace(operands, image, head), stride: operands.queryStride,
        attended: attended + image * queries * hidden + head * headWidth,
        statistics: statistics + (image * heads + head) * queries * 2)
    }
    forEachHead(packed.forwardCount, scratchCount, pool) { image, head, memory in
      let place = keyPlace(operands, image, head)
      packed.packForward(
        keys: operands.keys + place, values: operands.values + place, stride: operands.keyStride,
        keyMask: operands.keyMask.map { $0 + image * keys }, into: memory)
    } attend: { image, head, task, memory, scratch in
      attend(image, head, task, memory, scratch)
    } finish: { _, _, _ in
    }
  }

  /// Writes the gradients of queries, keys and values, given `attended` and `statistics` from `forward`.
  public func backward(
    _ operands: Operands, attended: UnsafePointer<Float>, statistics: UnsafePointer<Float>,
    attendedGradient: UnsafePointer<Float>, gradients: Gradients, pool: ThreadPool
  ) {
    switch precision {
    case .float32: backward(Float.self, operands, attended, statistics, attendedGradient, gradients, pool)
    case .bf16: backward(BFloat16Pair.self, operands, attended, statistics, attendedGradient, gradients, pool)
    }
  }

  private func backward<Factor: TileFactor>(
    _: Factor.Type, _ operands: Operands, _ attended: UnsafePointer<Float>,
    _ statistics: UnsafePointer<Float>, _ attendedGradient: UnsafePointer<Float>, _ gradients: Gradients,
    _ pool: ThreadPool
  ) {
    let packed = PackedHead<Factor>(self)
    let isMasked = isCausal || operands.keyMask != nil
    let scratchCount = AttentionBackwardTask<Factor>.scratchCount(self)
    func attend(_ image: Int, _ head: Int, _ task: Int, _ memory: Memory, _ scratch: Memory) {
      let rows = image * queries * hidden + head * headWidth
      let place = queryPlace(operands, image, head)
      AttentionBackwardTask(
        self, packed, queries(task), isMasked: isMasked, head: memory, task: task, scratch: scratch
      ).run(
        operands.queries + place, stride: operands.queryStride, attended: attended + rows,
        statistics: statistics + (image * heads + head) * queries * 2,
        attendedGradient: attendedGradient + rows, queryGradient: gradients.queries + place)
    }
    forEachHead(packed.backwardCount, scratchCount, pool) { image, head, memory in
      let place = keyPlace(operands, image, head)
      packed.packBackward(
        keys: operands.keys + place, values: operands.values + place, stride: operands.keyStride,
        keyMask: operands.keyMask.map { $0 + image * keys }, into: memory)
    } attend: { image, head, task, memory, scratch in
      attend(image, head, task, memory, scratch)
    } finish: { image, head, memory in
      let place = keyPlace(operands, image, head)
      packed.addTasks(
        memory, keyGradient: gradients.keys + place, valueGradient: gradients.values + place,
        stride: operands.keyStride)
    }
  }

  /// The offset of a head's queries and of their gradient.
  private func queryPlace(_ operands: Operands, _ image: Int, _ head: Int) -> Int {
    image * queries * operands.queryStride + head * headWidth
  }

  /// The offset of a head's keys, of its values, and of their gradients.
  private func keyPlace(_ operands: Operands, _ image: Int, _ head: Int) -> Int {
    image * keys * operands.keyStride + head * headWidth
  }

  typealias Memory = UnsafeMutablePointer<Float>

  /// The size in floats of the memory for packing heads with several tasks, unless a single head needs more.
  private static let sharedFloats = 1 << 24
  /// The tasks per thread that are processed together, so that threads rarely wait for each other.
  private static let tasksPerThread = 4

  /// Runs `prepare`, then `attend` for each task, then `finish` on every head of every image. A head with one task is
  /// processed at once, in its thread's cache; heads with several tasks are processed in groups, in memory shared by
  /// the threads.
  private func forEachHead(
    _ headCount: Int, _ scratchCount: Int, _ pool: ThreadPool,
    prepare: (_ image: Int, _ head: Int, Memory) -> Void,
    attend: (_ image: Int, _ head: Int, _ task: Int, Memory, _ scratch: Memory) -> Void,
    finish: (_ image: Int, _ head: Int, Memory) -> Void
  ) {
    let tasks = tasksPerHead
    if tasks == 1 {
      pool.parallel(batch * heads) { index, worker in
        let (image, head) = (index / heads, index % heads)
        let memory = pool.scratch(headCount + scratchCount, worker: worker)
        prepare(image, head, memory)
        attend(image, head, 0, memory, memory + headCount)
        finish(image, head, memory)
      }
      return
    }
    // At least one head per thread, as heads are packed by one thread each.
    let busy = max(pool.threadCount, (pool.threadCount * Self.tasksPerThread + tasks - 1) / tasks)
    let together = min(max(Self.sharedFloats / headCount, 1), busy, batch * heads)
    let shared = pool.workspace(together * headCount)
    for first in stride(from: 0, to: batch * heads, by: together) {
      let some = min(together, batch * heads - first)
      func forEach(_ index: Int, _ body: (_ image: Int, _ head: Int, Memory) -> Void) {
        body((first + index) / heads, (first + index) % heads, shared + index * headCount)
      }
      pool.parallel(some) { index, _ in forEach(index, prepare) }
      pool.parallel(some * tasks) { task, worker in
        forEach(task / tasks) { image, head, memory in
          attend(image, head, task % tasks, memory, pool.scratch(scratchCount, worker: worker))
        }
      }
      pool.parallel(some) { index, _ in forEach(index, finish) }
    }
  }
}

extension DotProductAttention {
  /// The operands of self-attention in a packed layout: qkv [B, N, 3, H, D] (queries, keys, values).
  public func operands(qkv: UnsafePointer<Float>, keyMask: UnsafePointer<Float>? = nil) -> Operands {
    precondition(queries == keys, "\(queries) queries and \(keys) keys are not of the same tokens")
    return Operands(
      queries: qkv, queryStride: 3 * hidden, keys: qkv + hidden, values: qkv + 2 * hidden,
      keyStride: 3 * hidden, keyMask: keyMask)
  }

  /// The gradients in the same packed layout.
  public func gradients(qkv: UnsafeMutablePointer<Float>) -> Gradients {
    Gradients(queries: qkv, keys: qkv + hidden, values: qkv + 2 * hidden)
  }
}
