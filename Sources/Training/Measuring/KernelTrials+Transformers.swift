import Kernels
import Tensors

extension DotProductAttention: TriedKernel {
  var kernelName: String { "attention of queries, keys and values" }
  var sizes: String { "\(batch) x \(tokens) tokens, \(heads) heads of \(headWidth)" }
  var referenceWork: Int { flops }
  static var mostReferenceWork: Int { 50_000_000 }

  var smaller: DotProductAttention? {
    guard batch > 1 || tokens > 1 else { return nil }
    return DotProductAttention(
      batch: (batch + 1) / 2, tokens: batch > 1 ? tokens : (tokens + 1) / 2, heads: heads,
      headWidth: headWidth)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let count = batch * tokens * heads * headWidth
    let (qkv, attendedGradient) = (FlatMemory.random(3 * count), FlatMemory.random(count))
    let statistics = FlatMemory(count: batch * heads * tokens * 2)
    let (attended, qkvGradients) = (FlatMemory.pair(count), FlatMemory.pair(3 * count))
    let bytes = MemoryLayout<Float>.size * 4 * count
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: bytes,
        fast: {
          forward(
            qkv.pointer, attended: attended.fast.pointer, statistics: statistics.pointer, pool: threads)
        },
        reference: {
          ReferenceDotProductAttention.forward(self, qkv.pointer, attended: attended.reference.pointer)
        },
        results: [attended]),
      KernelPass(
        name: "backward", flops: 2 * flops, bytes: 2 * bytes,
        fast: {
          // After the forward pass, whose results it takes.
          backward(
            qkv.pointer, attended: attended.fast.pointer, statistics: statistics.pointer,
            attendedGradient: attendedGradient.pointer, qkvGradient: qkvGradients.fast.pointer, pool: threads)
        },
        reference: {
          ReferenceDotProductAttention.backward(
            self, qkv.pointer, attendedGradient: attendedGradient.pointer,
            qkvGradient: qkvGradients.reference.pointer)
        },
        results: [qkvGradients]),
    ]
  }
}
