import Kernels
import Tensors

extension LinearTransform: TriedKernel {
  var kernelName: String { "linear" }
  var sizes: String { "\(rows) x \(inputs) -> \(outputs)" + precision.remark }
  var referenceWork: Int { asConvolution.referenceWork }
  static var mostReferenceWork: Int { ConvolutionShape.mostReferenceWork }

  var smaller: LinearTransform? {
    guard rows > 1 else { return nil }
    return LinearTransform(rows: (rows + 1) / 2, inputs: inputs, outputs: outputs, precision: precision)
  }

  /// The convolution that computes the same, for the reference.
  private var asConvolution: ConvolutionShape {
    ConvolutionShape(
      batch: 1, height: rows, width: 1, inputChannels: [inputs], outputChannels: outputs, kernel: 1,
      stride: 1,
      padding: 0)
  }

  /// Without the activation.
  func passes(on threads: ThreadPool) -> [KernelPass] {
    let transform = LinearTransform(rows: rows, inputs: inputs, outputs: outputs, precision: precision)
    let shape = asConvolution
    let x = ParameterBuffer.random(rows * inputs)
    let weights = ParameterBuffer.random(inputs * outputs)
    let bias = ParameterBuffer.random(outputs)
    let output = ParameterBuffer.pair(rows * outputs)
    let outputGradient = ParameterBuffer.random(rows * outputs)
    let (inputGradient, weightGradient) = (ParameterBuffer.pair(x.count), ParameterBuffer.pair(weights.count))
    let packing = ParameterBuffer(count: max(transform.packedWeightCount, 1))
    // Each pass must keep the memory, not just its address.
    func packed() -> UnsafeMutablePointer<Float>? {
      transform.packedWeightCount > 0 ? packing.pointer : nil
    }
    let bytes = MemoryLayout<Float>.size * (x.count + weights.count + outputGradient.count)
    func backward(_ inputGradient: UnsafeMutablePointer<Float>?, _ weightGradient: GradientSum?) {
      transform.backward(
        x.pointer, weights: weights.pointer, activationInput: nil, outputGradient: outputGradient.pointer,
        inputGradient: inputGradient, weightGradient: weightGradient, biasGradient: nil, packing: packed(),
        pool: threads)
    }
    return [
      KernelPass(
        name: "forward", flops: flops, bytes: bytes,
        fast: {
          transform.forward(
            x.pointer, weights: weights.pointer, bias: bias.pointer, activationInput: nil,
            output: output.fast.pointer, packing: packed(), pool: threads)
        },
        reference: {
          ReferenceConvolution.forward(
            shape, inputs: [x.pointer], weights: weights.pointer, bias: bias.pointer,
            output: output.reference.pointer)
        },
        results: [output]),
      KernelPass(
        name: "input gradient", flops: flops, bytes: bytes,
        fast: { backward(inputGradient.fast.pointer, nil) },
        reference: {
          ReferenceConvolution.inputGradient(
            shape, outputGradient: outputGradient.pointer, weights: weights.pointer,
            inputGradients: [inputGradient.reference.pointer])
        },
        results: [inputGradient]),
      KernelPass(
        name: "weight gradient", flops: flops, bytes: bytes,
        fast: { backward(nil, GradientSum(weightGradient.fast.pointer, isBegun: false)) },
        reference: {
          weightGradient.reference.elements.update(repeating: 0)
          ReferenceConvolution.addWeightGradient(
            shape, inputs: [x.pointer], outputGradient: outputGradient.pointer,
            gradient: weightGradient.reference.pointer)
        },
        results: [weightGradient]),
    ]
  }
}

extension ProductPrecision {
  /// What follows the sizes of a kernel in tables.
  var remark: String { self == .bf16 ? ", bf16" : "" }
}
