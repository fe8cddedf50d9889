import Kernels
import Tensors

extension ConvolutionShape: TriedKernel {
  var kernelName: String { "convolution \(kernel)x\(kernel)\(stride > 1 ? "/\(stride)" : "")" }

  var sizes: String {
    let inputs = inputChannels.map(String.init).joined(separator: "+")
    return "\(batch)x\(height)x\(width)x\(inputs) -> \(outputChannels)" + precision.remark
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
      outputChannels: outputChannels, kernel: kernel, stride: stride, padding: padding,
      endPadding: endPadding, precision: precision)
  }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let inputs = inputChannels.map { ParameterBuffer.random(batch * height * width * $0) }
    let weights = ParameterBuffer.random(patchLength * outputChannels)
    let bias = ParameterBuffer.random(outputChannels)
    let outputs = ParameterBuffer.pair(outputPixels * outputChannels)
    let outputGradient = ParameterBuffer.random(outputPixels * outputChannels)
    let inputGradients = inputs.map { ParameterBuffer.pair($0.count) }
    let weightGradients = ParameterBuffer.pair(weights.count)
    func pointers(_ memories: [ParameterBuffer]) -> [UnsafePointer<Float>] {
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
            inputGradients: inputGradients.map(\.fast.pointer),
            weightGradient: .adding(to: weightGradients.fast.pointer),
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

extension TransposedConvolutionShape: TriedKernel {
  var kernelName: String {
    "transposed convolution \(adjoint.kernel)x\(adjoint.kernel)\(adjoint.stride > 1 ? "/\(adjoint.stride)" : "")"
  }

  var sizes: String {
    "\(adjoint.batch)x\(adjoint.outputHeight)x\(adjoint.outputWidth)x\(adjoint.outputChannels)"
      + " -> \(adjoint.channels)"
  }

  var referenceWork: Int { adjoint.referenceWork }
  static var mostReferenceWork: Int { ConvolutionShape.mostReferenceWork }
  var smaller: TransposedConvolutionShape? { adjoint.smaller.map(TransposedConvolutionShape.init) }

  func passes(on threads: ThreadPool) -> [KernelPass] {
    let shape = adjoint
    let x = ParameterBuffer.random(shape.outputPixels * shape.outputChannels)
    let weights = ParameterBuffer.random(shape.patchLength * shape.outputChannels)
    // The reference has no bias.
    let bias = ParameterBuffer(count: shape.channels)
    let count = shape.batch * shape.height * shape.width * shape.channels
    let outputs = ParameterBuffer.pair(count)
    let outputGradient = ParameterBuffer.random(count)
    let inputGradients = ParameterBuffer.pair(x.count)
    let weightGradients = ParameterBuffer.pair(weights.count)
    let size = MemoryLayout<Float>.size
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: size * (x.count + weights.count + count),
        fast: {
          TransposedConvolution.forward(
            shape, x.pointer, weights: weights.pointer, bias: bias.pointer, output: outputs.fast.pointer,
            pool: threads)
        },
        reference: {
          ReferenceConvolution.inputGradient(
            shape, outputGradient: x.pointer, weights: weights.pointer,
            inputGradients: [outputs.reference.pointer])
        },
        results: [outputs]),
      KernelPass(
        name: "backward", flops: 2 * flops, bytes: size * 2 * (x.count + weights.count) + size * count,
        fast: {
          TransposedConvolution.backward(
            shape, x.pointer, weights: weights.pointer, outputGradient: outputGradient.pointer,
            inputGradient: inputGradients.fast.pointer,
            weightGradient: .adding(to: weightGradients.fast.pointer),
            biasGradient: nil, pool: threads)
        },
        reference: {
          ReferenceConvolution.forward(
            shape, inputs: [outputGradient.pointer], weights: weights.pointer, bias: nil,
            output: inputGradients.reference.pointer)
          ReferenceConvolution.addWeightGradient(
            shape, inputs: [outputGradient.pointer], outputGradient: x.pointer,
            gradient: weightGradients.reference.pointer)
        },
        results: [inputGradients, weightGradients]),
    ]
  }
}
