import Kernels
import Randomness
import Tensors

extension ConvolutionShape: TriedKernel {
  var kernelName: String { "convolution \(kernel)x\(kernel)\(stride > 1 ? "/\(stride)" : "")" }

  var sizes: String {
    let inputs = inputChannels.map(String.init).joined(separator: "+")
    return "\(batch)x\(height)x\(width)x\(inputs) -> \(outputChannels)"
  }

  var referenceWork: Int { flops }
  static var mostReferenceWork: Int { 200_000_000 }

  var smaller: ConvolutionShape? {
    if batch > 1 { return resized(batch: (batch + 1) / 2, height: height, width: width) }
    guard min(height, width) > 2 * kernel else { return nil }
    return resized(batch: 1, height: (height + 1) / 2, width: (width + 1) / 2)
  }

  private func resized(batch: Int, height: Int, width: Int) -> ConvolutionShape {
    ConvolutionShape(
      batch: batch, height: height, width: width, inputChannels: inputChannels,
      outputChannels: outputChannels, kernel: kernel, stride: stride, padding: padding)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let inputs = inputChannels.map { FlatMemory.random(batch * height * width * $0) }
    let weights = FlatMemory.random(patchLength * outputChannels)
    let bias = FlatMemory.random(outputChannels)
    let outputs = FlatMemory.pair(outputPixels * outputChannels)
    let outputGradient = FlatMemory.random(outputPixels * outputChannels)
    let inputGradients = inputs.map { FlatMemory.pair($0.count) }
    let weightGradients = FlatMemory.pair(weights.count)
    func pointers(_ memories: [FlatMemory]) -> [UnsafePointer<Float>] {
      memories.map { UnsafePointer($0.pointer) }
    }
    let size = MemoryLayout<Float>.size
    let bytes = size * (inputs.reduce(0) { $0 + $1.count } + weights.count + outputGradient.count)
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: bytes,
        fast: {
          Convolution.forward(
            self, inputs: pointers(inputs), weights: weights.pointer, bias: bias.pointer,
            output: outputs.fast.pointer, pool: threads)
        },
        reference: {
          ReferenceConvolution.forward(
            self, inputs: pointers(inputs), weights: weights.pointer, bias: bias.pointer,
            output: outputs.reference.pointer)
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 2 * flops, bytes: 2 * bytes - size * outputGradient.count,
        fast: {
          Convolution.backward(
            self, inputs: pointers(inputs), weights: weights.pointer, outputGradient: outputGradient.pointer,
            inputGradients: inputGradients.map(\.fast.pointer), weightGradient: weightGradients.fast.pointer,
            biasGradient: nil, pool: threads)
        },
        reference: {
          ReferenceConvolution.inputGradient(
            self, outputGradient: outputGradient.pointer, weights: weights.pointer,
            inputGradients: inputGradients.map(\.reference.pointer))
          ReferenceConvolution.addWeightGradient(
            self, inputs: pointers(inputs), outputGradient: outputGradient.pointer,
            gradient: weightGradients.reference.pointer)
        },
        results: inputGradients + [weightGradients]),
    ]
  }
}

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
    let x = FlatMemory.random(batch * tokens * channels)
    let (qkv, out) = (
      FlatMemory.random(channels * 3 * hiddenWidth), FlatMemory.random(hiddenWidth * channels)
    )
    let bias = FlatMemory.random(channels)
    let outputs = FlatMemory.pair(x.count)
    let outputGradient = FlatMemory.random(x.count)
    let (dx, dqkv, dout) = (
      FlatMemory(count: x.count), FlatMemory(count: qkv.count), FlatMemory(count: out.count)
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
            outputGradient: outputGradient.pointer, inputGradient: dx.pointer, qkvGradient: dqkv.pointer,
            outputWeightGradient: dout.pointer, biasGradient: nil, pool: threads)
        }),
    ]
  }
}

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
    let x = FlatMemory.random(batch * pixels * channels)
    let (gamma, beta) = (FlatMemory.random(channels), FlatMemory.random(channels))
    let statistics = FlatMemory(count: batch * groups * 2)
    let outputs = FlatMemory.pair(x.count)
    let outputGradient = FlatMemory.random(x.count)
    let dx = FlatMemory(count: x.count)
    let (dgamma, dbeta) = (FlatMemory(count: channels), FlatMemory(count: channels))
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

extension FlatMemory {
  /// Values in [-1, 1), the same at every call.
  fileprivate static func random(_ count: Int) -> FlatMemory {
    let memory = FlatMemory(count: count)
    RandomStream(seed: 0, purpose: .samplerStart, sample: 0).fillUniform(memory.elements, low: -1, high: 1)
    return memory
  }

  fileprivate static func pair(_ count: Int) -> (fast: FlatMemory, reference: FlatMemory) {
    (FlatMemory(count: count), FlatMemory(count: count))
  }
}
