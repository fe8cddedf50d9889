import Kernels
import Tensors

extension SelfAttention: TriedKernel {
  var kernelName: String { "attention, \(kind)" }
  var sizes: String {
    "\(batch) x \(tokens) tokens of \(channels), \(heads) heads of \(headWidth)" + precision.remark
  }
  var referenceWork: Int { flops }
  static var mostReferenceWork: Int { 50_000_000 }

  var smaller: SelfAttention? {
    guard batch > 1 || tokens > 1 else { return nil }
    return SelfAttention(
      kind: kind, batch: (batch + 1) / 2, tokens: batch > 1 ? tokens : (tokens + 1) / 2, channels: channels,
      heads: heads, headWidth: headWidth, precision: precision)
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
  var sizes: String {
    let tokens = queries == keys ? "\(queries)" : "\(queries) to \(keys)"
    return "\(batch) x \(tokens) tokens, \(heads) heads of \(headWidth)" + (isCausal ? ", causal" : "")
      + precision.remark
  }
  var referenceWork: Int { flops }
  static var mostReferenceWork: Int { 50_000_000 }

  var smaller: DotProductAttention? {
    guard batch > 1 || queries > 1 else { return nil }
    return DotProductAttention(
      batch: (batch + 1) / 2, queries: batch > 1 ? queries : (queries + 1) / 2,
      keys: batch > 1 || queries != keys ? keys : (keys + 1) / 2, heads: heads, headWidth: headWidth,
      isCausal: isCausal, precision: precision)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let hidden = heads * headWidth
    let (count, keyCount) = (batch * queries * hidden, batch * keys * hidden)
    // Queries, keys and values, concatenated.
    let factors = ParameterBuffer.random(count + 2 * keyCount)
    let operands = Operands(
      queries: factors.pointer, queryStride: hidden, keys: factors.pointer + count,
      values: factors.pointer + count + keyCount, keyStride: hidden)
    let statistics = ParameterBuffer(count: batch * heads * queries * 2)
    let outputs = ParameterBuffer.pair(count)
    let outputGradient = ParameterBuffer.random(count)
    let gradients = ParameterBuffer.pair(count + 2 * keyCount)
    func places(_ buffer: ParameterBuffer) -> Gradients {
      Gradients(
        queries: buffer.pointer, keys: buffer.pointer + count, values: buffer.pointer + count + keyCount)
    }
    let size = MemoryLayout<Float>.size
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: size * 2 * (count + keyCount),
        fast: {
          forward(
            operands, attended: outputs.fast.pointer, statistics: statistics.pointer, pool: threads)
        },
        reference: {
          withExtendedLifetime(factors) {
            ReferenceDotProductAttention.forward(self, operands, attended: outputs.reference.pointer)
          }
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 2 * flops, bytes: size * 4 * (count + keyCount),
        fast: {
          backward(
            operands, attended: outputs.fast.pointer, statistics: statistics.pointer,
            attendedGradient: outputGradient.pointer, gradients: places(gradients.fast), pool: threads)
        },
        reference: {
          withExtendedLifetime(factors) {
            ReferenceDotProductAttention.backward(
              self, operands, attendedGradient: outputGradient.pointer,
              gradients: places(gradients.reference))
          }
        },
        results: [gradients]),
    ]
  }
}
