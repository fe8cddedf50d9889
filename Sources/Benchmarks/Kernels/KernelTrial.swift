import Kernels
import Randomness
import Reporting
import Tensors
import Training

/// A kernel and shape that can be benchmarked: optimised code against the reference.
protocol TriedKernel: KernelShape {
  /// Such as `convolution 3x3`.
  var kernelName: String { get }
  var sizes: String { get }
  /// The work of the reference, in a unit specific to the kernel.
  var referenceWork: Int { get }
  /// The most reference work that takes no longer than about a second.
  static var mostReferenceWork: Int { get }
  /// A shape with less work; nil if there is none.
  var smaller: Self? { get }
  /// The passes to run, on random values.
  func passes(on threads: ThreadPool) -> [KernelPass]
}

extension TriedKernel {
  /// The largest shape derived from this one that the reference computes in about a second.
  var affordable: Self {
    var shape = self
    while shape.referenceWork > Self.mostReferenceWork, let smaller = shape.smaller { shape = smaller }
    return shape
  }
}

/// One pass of a kernel, in the optimised and the reference implementation.
struct KernelPass {
  let name: String
  let flops: Int
  /// Bytes read and written, counting each array once.
  let bytes: Int
  let fast: () -> Void
  /// nil if this pass has no reference.
  var reference: (() -> Void)?
  /// The outputs of both.
  var results: [(fast: ParameterBuffer, reference: ParameterBuffer)] = []

  /// ‖fast - reference‖ / ‖reference‖ of the worst result, valid after both have run.
  var error: Double {
    results.map { fast, reference in
      var (difference, length) = (0.0, 0.0)
      for (fast, reference) in zip(fast.elements, reference.elements) {
        difference += (Double(fast) - Double(reference)) * (Double(fast) - Double(reference))
        length += Double(reference) * Double(reference)
      }
      return (difference / length).squareRoot()
    }.reduce(0) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
  }
}

/// The measurements of one pass of a kernel.
public struct KernelTrial: Sendable {
  public let kernel: String
  public let pass: String
  public let sizes: String
  public let flops: Int
  public let bytes: Int
  /// The median of several runs.
  public let seconds: Double
  /// Speed relative to the reference, for equal work; nil without a reference.
  public let speedup: Double?
  /// Error relative to the norm of the reference; nil without a reference.
  public let error: Double?

  /// Runs are repeated for this long, within these bounds on their number.
  private static let secondsOfRuns = 0.2
  private static let runs = 3...50

  /// Checks and times the passes of a kernel.
  static func run<Kernel: TriedKernel>(_ kernel: Kernel, on threads: ThreadPool) -> [KernelTrial] {
    let affordable = kernel.affordable
    let checks = affordable.passes(on: threads).map { pass -> (speedup: Double, error: Double)? in
      guard let reference = pass.reference else { return nil }
      pass.fast()
      let watch = Stopwatch()
      reference()
      let seconds = watch.seconds
      return (seconds / Double(max(pass.flops, pass.bytes)), pass.error)
    }
    return zip(kernel.passes(on: threads), checks).map { pass, check in
      let seconds = times(of: pass.fast).median
      return KernelTrial(
        kernel: kernel.kernelName, pass: pass.name, sizes: kernel.sizes, flops: pass.flops, bytes: pass.bytes,
        seconds: seconds,
        speedup: check.map { $0.speedup * Double(max(pass.flops, pass.bytes)) / seconds },
        error: check?.error)
    }
  }

  /// Seconds of each run, after one warm-up run.
  private static func times(of body: () -> Void) -> [Double] {
    body()
    var (times, total) = ([Double](), 0.0)
    while times.count < runs.lowerBound || total < secondsOfRuns && times.count < runs.upperBound {
      let watch = Stopwatch()
      body()
      times.append(watch.seconds)
      total += times[times.count - 1]
    }
    return times
  }
}

extension ParameterBuffer {
  /// Random values in [-1, 1), the same on every call.
  static func random(_ count: Int) -> ParameterBuffer {
    let memory = ParameterBuffer(count: count)
    RandomStream(seed: 0, purpose: .samplerStart, sample: 0).fillUniform(memory.elements, low: -1, high: 1)
    return memory
  }

  static func pair(_ count: Int) -> (fast: ParameterBuffer, reference: ParameterBuffer) {
    (ParameterBuffer(count: count), ParameterBuffer(count: count))
  }
}
