/// Multi-head attention between the tokens of each image, softmax(Q Kᵀ / sqrt(D)) V (Vaswani et al., 2017), for heads of
/// any width and any number of tokens. Tiles of scores live in cache; an N x N matrix never exists (Dao et al., 2022).
///
/// Layouts: qkv and its gradient [B, N, 3, H, D] (queries, keys, values), attended and its gradient [B, N, H, D],
/// statistics [B, H, N, 2] (a query's largest score, 1 / Σ e^(score - largest)). H heads of D numbers, N tokens.
public struct DotProductAttention: Hashable, Sendable {
  public let batch: Int
  public let tokens: Int
  public let heads: Int
  public let headWidth: Int

  public init(batch: Int, tokens: Int, heads: Int, headWidth: Int) {
    precondition(
      batch > 0 && tokens > 0 && heads > 0 && headWidth > 0,
      "attention of \(batch) images of \(tokens) tokens, \(heads) heads of \(headWidth)")
    self.batch = batch
    self.tokens = tokens
    self.heads = heads
    self.headWidth = headWidth
  }

  /// Queries that one task works on. Their part of the gradients of keys and values is a sum of its own.
  static let queriesPerTask = 512

  /// H D: the width of the queries.
  var hidden: Int { heads * headWidth }
  var scale: Float { 1 / Float(headWidth).squareRoot() }
  var tasksPerHead: Int { (tokens + Self.queriesPerTask - 1) / Self.queriesPerTask }

  /// The queries of task `index` of a head.
  private func queries(_ index: Int) -> Range<Int> {
    index * Self.queriesPerTask..<min((index + 1) * Self.queriesPerTask, tokens)
  }

  public func forward(
    _ qkv: UnsafePointer<Float>, attended: UnsafeMutablePointer<Float>,
    statistics: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let packed = PackedHead(self)
    let scratchCount = AttentionForwardTask.scratchCount(self)
    func attend(_ image: Int, _ head: Int, _ task: Int, _ memory: Memory, _ scratch: Memory) {
      AttentionForwardTask(self, packed, queries(task), head: memory, scratch: scratch).run(
        qkv + place(image, 0, head), attended: attended + image * tokens * hidden + head * headWidth,
        statistics: statistics + (image * heads + head) * tokens * 2)
    }
    forEachHead(packed.forwardCount, scratchCount, pool) { image, head, memory in
      packed.packForward(qkv + place(image, 0, head), into: memory)
    } attend: { image, head, task, memory, scratch in
      attend(image, head, task, memory, scratch)
    } finish: { _, _, _ in
    }
  }

  /// Writes the gradient of qkv. `attended` and `statistics` are what `forward` wrote.
  public func backward(
    _ qkv: UnsafePointer<Float>, attended: UnsafePointer<Float>, statistics: UnsafePointer<Float>,
    attendedGradient: UnsafePointer<Float>, qkvGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let packed = PackedHead(self)
    let scratchCount = AttentionBackwardTask.scratchCount(self)
    func attend(_ image: Int, _ head: Int, _ task: Int, _ memory: Memory, _ scratch: Memory) {
      let rows = image * tokens * hidden + head * headWidth
      AttentionBackwardTask(self, packed, queries(task), head: memory, task: task, scratch: scratch).run(
        qkv + place(image, 0, head), attended: attended + rows,
        statistics: statistics + (image * heads + head) * tokens * 2,
        attendedGradient: attendedGradient + rows, queryGradient: qkvGradient + place(image, 0, head))
    }
    forEachHead(packed.backwardCount, scratchCount, pool) { image, head, memory in
      packed.packBackward(qkv + place(image, 0, head), into: memory)
    } attend: { image, head, task, memory, scratch in
      attend(image, head, task, memory, scratch)
    } finish: { image, head, memory in
      packed.addTasks(memory, keyGradient: qkvGradient + place(image, 1, head))
    }
  }

  /// Where queries (0), keys (1) or values (2) of a head begin; rows are 3 H D floats apart.
  private func place(_ image: Int, _ which: Int, _ head: Int) -> Int {
    (image * tokens * 3 + which) * hidden + head * headWidth
  }

  typealias Memory = UnsafeMutablePointer<Float>

  /// Runs `prepare`, then `attend` for each task, then `finish` on every head of every image. A head of one task is
  /// done in one go, in its thread's cache; one of several shares its memory among the threads, an image at a time.
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
    } else {
      let shared = pool.workspace(heads * headCount)
      for image in 0..<batch {
        pool.parallel(heads) { head, _ in prepare(image, head, shared + head * headCount) }
        pool.parallel(heads * tasks) { index, worker in
          let (head, task) = (index / tasks, index % tasks)
          attend(image, head, task, shared + head * headCount, pool.scratch(scratchCount, worker: worker))
        }
        pool.parallel(heads) { head, _ in finish(image, head, shared + head * headCount) }
      }
    }
  }
}

/// Keys and values of one head, filled up with zeros to whole vectors.
///
/// Layouts: keys and values [N', D'] or transposed [D', N']; N' and D' are N and D as multiples of 16.
struct PackedHead {
  let tokens: Int
  let headWidth: Int
  let paddedTokens: Int
  let paddedWidth: Int
  /// Floats from one token of qkv to the next.
  let stride: Int
  private let tasks: Int
  private let hidden: Int

  init(_ attention: DotProductAttention) {
    tokens = attention.tokens
    headWidth = attention.headWidth
    paddedTokens = Self.padded(attention.tokens)
    paddedWidth = Self.padded(attention.headWidth)
    hidden = attention.hidden
    stride = 3 * attention.hidden
    tasks = attention.tasksPerHead
  }

  static func padded(_ count: Int) -> Int { (count + Vector.width - 1) / Vector.width * Vector.width }

  private var matrix: Int { paddedTokens * paddedWidth }

  // The memory of a head: mask [N'], Kᵀ, then V (forward) or Vᵀ, K and each task's part of dK and dV (backward).
  var forwardCount: Int { paddedTokens + 2 * matrix }
  var backwardCount: Int { paddedTokens + (3 + 2 * tasks) * matrix }

  func mask(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> { memory }
  func transposedKeys(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedTokens
  }
  /// Of the forward pass.
  func values(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedTokens + matrix
  }
  /// Of the backward pass, like what follows.
  func transposedValues(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedTokens + matrix
  }
  func keys(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    memory + paddedTokens + 2 * matrix
  }
  func keyGradient(_ memory: UnsafeMutablePointer<Float>, task: Int) -> UnsafeMutablePointer<Float> {
    memory + paddedTokens + (3 + 2 * task) * matrix
  }
  func valueGradient(_ memory: UnsafeMutablePointer<Float>, task: Int) -> UnsafeMutablePointer<Float> {
    memory + paddedTokens + (4 + 2 * task) * matrix
  }

  /// - Parameter queries: of the head's first token; its keys and values lie behind.
  func packForward(_ queries: UnsafePointer<Float>, into memory: UnsafeMutablePointer<Float>) {
    fillMask(memory)
    transpose(queries + hidden, into: transposedKeys(memory))
    copy(queries + 2 * hidden, into: values(memory))
  }

  func packBackward(_ queries: UnsafePointer<Float>, into memory: UnsafeMutablePointer<Float>) {
    fillMask(memory)
    transpose(queries + hidden, into: transposedKeys(memory))
    transpose(queries + 2 * hidden, into: transposedValues(memory))
    copy(queries + hidden, into: keys(memory))
  }

  /// Writes dK and, H D floats behind, dV: the sums over the tasks, in their order.
  func addTasks(_ memory: UnsafeMutablePointer<Float>, keyGradient: UnsafeMutablePointer<Float>) {
    for token in 0..<tokens {
      let (row, place) = (keyGradient + token &* stride, token &* paddedWidth)
      row.update(from: self.keyGradient(memory, task: 0) + place, count: headWidth)
      (row + hidden).update(from: valueGradient(memory, task: 0) + place, count: headWidth)
      for task in 1..<tasks {
        Reduction.add(self.keyGradient(memory, task: task) + place, to: row, count: headWidth)
        Reduction.add(valueGradient(memory, task: task) + place, to: row + hidden, count: headWidth)
      }
    }
  }

  /// What scores start from: 0, and for keys that do not exist what e^x makes nothing of.
  private func fillMask(_ memory: UnsafeMutablePointer<Float>) {
    let mask = mask(memory)
    mask.update(repeating: 0, count: tokens)
    (mask + tokens).update(repeating: -1e30, count: paddedTokens - tokens)
  }

  private func copy(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
    if paddedWidth > headWidth { target.update(repeating: 0, count: matrix) }
    for token in 0..<tokens {
      (target + token &* paddedWidth).update(from: source + token &* stride, count: headWidth)
    }
    (target + tokens * paddedWidth).update(repeating: 0, count: (paddedTokens - tokens) * paddedWidth)
  }

  private func transpose(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
    // Sixteen tokens at a time: their rows stay in cache while whole vectors of the result are written.
    for first in Swift.stride(from: 0, to: tokens, by: Vector.width) {
      let count = min(Vector.width, tokens - first)
      for d in 0..<headWidth {
        let column = target + (d &* paddedTokens &+ first)
        for token in 0..<count { column[token] = source[(first &+ token) &* stride &+ d] }
        for token in count..<Vector.width { column[token] = 0 }
      }
    }
    (target + headWidth * paddedTokens).update(
      repeating: 0, count: (paddedWidth - headWidth) * paddedTokens)
  }
}
