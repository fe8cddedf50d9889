import Kernels
import Tensors

extension GroupNormalization: TriedKernel {
  var kernelName: String { "group normalisation\(activation == .none ? "" : ", \(activation)")" }
  var sizes: String { "\(batch) x \(pixels) x \(channels), \(groups) groups" }
  var referenceWork: Int { batch * pixels * channels }
  static var mostReferenceWork: Int { 2_000_000 }

  var smaller: GroupNormalization? {
    guard batch > 1 || pixels > 1 else { return nil }
    return GroupNormalization(
      batch: (batch + 1) / 2, pixels: batch > 1 ? pixels : (pixels + 1) / 2, channels: channels,
      groups: groups, epsilon: epsilon, activation: activation)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let x = ParameterBuffer.random(batch * pixels * channels)
    let (gamma, beta) = (ParameterBuffer.random(channels), ParameterBuffer.random(channels))
    let statistics = ParameterBuffer(count: batch * groups * 2)
    let outputs = ParameterBuffer.pair(x.count)
    let outputGradient = ParameterBuffer.random(x.count)
    let dx = ParameterBuffer(count: x.count)
    let (dgamma, dbeta) = (ParameterBuffer(count: channels), ParameterBuffer(count: channels))
    let size = MemoryLayout<Float>.size
    return [
      KernelPass(
        name: "forward", flops: 0, bytes: size * 2 * x.count,
        fast: {
          forward(
            x.pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: nil,
            output: outputs.fast.pointer, statistics: statistics.pointer, pool: threads)
        },
        reference: {
          ReferenceGroupNormalization.forward(
            self, x.pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: nil,
            output: outputs.reference.pointer)
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 0, bytes: size * 3 * x.count,
        fast: {
          backward(
            x.pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: nil,
            statistics: statistics.pointer, outputGradient: outputGradient.pointer, inputGradient: dx.pointer,
            scaleShiftGradient: nil, gammaGradient: dgamma.pointer, betaGradient: dbeta.pointer, pool: threads
          )
        }),
    ]
  }
}

extension BatchNormalization: TriedKernel {
  var kernelName: String { "batch normalisation\(activation == .none ? "" : ", \(activation)")" }
  var sizes: String { "\(rows) x \(channels)" }
  var referenceWork: Int { rows * channels }
  static var mostReferenceWork: Int { 2_000_000 }

  var smaller: BatchNormalization? {
    guard rows > 1 else { return nil }
    return BatchNormalization(
      rows: (rows + 1) / 2, channels: channels, epsilon: epsilon, activation: activation)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let x = ParameterBuffer.random(rows * channels)
    let (gamma, beta) = (ParameterBuffer.random(channels), ParameterBuffer.random(channels))
    let (mean, variance) = (ParameterBuffer(count: channels), ParameterBuffer(count: channels))
    let outputs = ParameterBuffer.pair(x.count)
    let outputGradient = ParameterBuffer.random(x.count)
    let dx = ParameterBuffer(count: x.count)
    let (dgamma, dbeta) = (ParameterBuffer(count: channels), ParameterBuffer(count: channels))
    let size = MemoryLayout<Float>.size
    return [
      KernelPass(
        name: "forward", flops: 0, bytes: size * 2 * x.count,
        fast: {
          measure(x.pointer, mean: mean.pointer, variance: variance.pointer, pool: threads)
          forward(
            x.pointer, mean: mean.pointer, variance: variance.pointer, gamma: gamma.pointer,
            beta: beta.pointer, output: outputs.fast.pointer, pool: threads)
        },
        reference: {
          let (mean, variance) = ReferenceBatchNormalization.measure(self, x.pointer)
          ReferenceBatchNormalization.forward(
            self, x.pointer, mean: mean, variance: variance, gamma: gamma.pointer, beta: beta.pointer,
            output: outputs.reference.pointer)
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 0, bytes: size * 3 * x.count,
        fast: {
          backward(
            x.pointer, mean: mean.pointer, variance: variance.pointer, gamma: gamma.pointer,
            beta: beta.pointer, outputGradient: outputGradient.pointer, inputGradient: dx.pointer,
            gammaGradient: dgamma.pointer, betaGradient: dbeta.pointer, pool: threads)
        }),
    ]
  }
}

extension LayerNormalization: TriedKernel {
  var kernelName: String { "layer normalisation" }
  var sizes: String { "\(batch) x \(tokens) x \(channels)" }
  var referenceWork: Int { batch * tokens * channels }
  static var mostReferenceWork: Int { 2_000_000 }

  var smaller: LayerNormalization? {
    guard batch > 1 || tokens > 1 else { return nil }
    return LayerNormalization(
      batch: (batch + 1) / 2, tokens: batch > 1 ? tokens : (tokens + 1) / 2, channels: channels,
      epsilon: epsilon)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let x = ParameterBuffer.random(batch * tokens * channels)
    let statistics = ParameterBuffer(count: batch * tokens * 2)
    let outputs = ParameterBuffer.pair(x.count)
    let dx = ParameterBuffer(count: x.count)
    let outputGradient = ParameterBuffer.random(x.count)
    let size = MemoryLayout<Float>.size
    return [
      KernelPass(
        name: "forward", flops: 0, bytes: size * 2 * x.count,
        fast: {
          forward(
            x.pointer, gamma: nil, beta: nil, modulation: nil, output: outputs.fast.pointer,
            statistics: statistics.pointer, pool: threads)
        },
        reference: {
          ReferenceLayerNormalization.forward(
            self, x.pointer, gamma: nil, beta: nil, modulation: nil, output: outputs.reference.pointer)
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 0, bytes: size * 3 * x.count,
        fast: {
          backward(
            x.pointer, gamma: nil, beta: nil, modulation: nil, statistics: statistics.pointer,
            outputGradient: outputGradient.pointer, inputGradient: dx.pointer, gammaGradient: nil,
            betaGradient: nil, scaleGradient: nil, shiftGradient: nil, pool: threads)
        }),
    ]
  }
}
