import Kernels
import Tensors

extension SelfAttention: TriedKernel {
  var kernelName: String { "attention, \(kind)" }
  var sizes: String { "\(batch) x \(tokens) tokens of \(channels), \(heads) heads of \(headWidth)" }
  var referenceWork: Int { flops }
  static var mostReferenceWork: Int { 50_000_000 }

  var smaller: SelfAttention? {
    guard batch > 1 || tokens > 1 else { return nil }
    return SelfAttention(
      kind: kind, batch: (batch + 1) / 2, tokens: batch > 1 ? tokens : (tokens + 1) / 2, channels: channels,
      heads: heads, headWidth: headWidth)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let x = ParameterBuffer.random(batch * tokens * channels)
    let (qkv, out) = (
      ParameterBuffer.random(channels * 3 * hiddenWidth), ParameterBuffer.random(hiddenWidth * channels)
    )
    let bias = ParameterBuffer.random(channels)
    let outputs = ParameterBuffer.pair(x.count)
    let outputGradient = ParameterBuffer.random(x.count)
    let (dx, dqkv, dout) = (
      ParameterBuffer(count: x.count), ParameterBuffer(count: qkv.count), ParameterBuffer(count: out.count)
    )
    let bytes = MemoryLayout<Float>.size * (2 * x.count + qkv.count + out.count)
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: bytes,
        fast: {
          forward(
            x.pointer, qkvWeights: qkv.pointer, outputWeights: out.pointer, bias: bias.pointer,
            output: outputs.fast.pointer, pool: threads)
        },
        reference: {
          ReferenceSelfAttention.forward(
            self, x.pointer, qkvWeights: qkv.pointer, outputWeights: out.pointer, bias: bias.pointer,
            output: outputs.reference.pointer)
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 2 * flops, bytes: 2 * bytes,
        fast: {
          backward(
            x.pointer, qkvWeights: qkv.pointer, outputWeights: out.pointer,
            outputGradient: outputGradient.pointer, inputGradient: dx.pointer,
            qkvGradient: .adding(to: dqkv.pointer),
            outputWeightGradient: .adding(to: dout.pointer), biasGradient: nil, pool: threads)
        }),
    ]
  }
}

extension DotProductAttention: TriedKernel {
  var kernelName: String { "attention core" }
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
    let qkv = ParameterBuffer.random(3 * count)
    let statistics = ParameterBuffer(count: batch * heads * tokens * 2)
    let outputs = ParameterBuffer.pair(count)
    let outputGradient = ParameterBuffer.random(count)
    let gradients = ParameterBuffer.pair(3 * count)
    let size = MemoryLayout<Float>.size
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: size * 4 * count,
        fast: {
          forward(
            qkv.pointer, attended: outputs.fast.pointer, statistics: statistics.pointer, pool: threads)
        },
        reference: {
          ReferenceDotProductAttention.forward(self, qkv.pointer, attended: outputs.reference.pointer)
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 2 * flops, bytes: size * 8 * count,
        fast: {
          backward(
            qkv.pointer, attended: outputs.fast.pointer, statistics: statistics.pointer,
            attendedGradient: outputGradient.pointer, qkvGradient: gradients.fast.pointer, pool: threads)
        },
        reference: {
          ReferenceDotProductAttention.backward(
            self, qkv.pointer, attendedGradient: outputGradient.pointer,
            qkvGradient: gradients.reference.pointer)
        },
        results: [gradients]),
    ]
  }
}
