import Kernels

extension Tensor {
  /// max(x, 0).
  public func relu() -> Tensor { elementwise(Elementwise.relu, gradient: Elementwise.reluGradient) }

  /// max(x, 0) + slope min(x, 0), PyTorch's `LeakyReLU`.
  public func leakyReLU(slope: Float) -> Tensor {
    elementwise { x, y, count, pool in
      Elementwise.leakyReLU(x, slope: slope, output: y, count: count, pool: pool)
    } gradient: { x, dy, dx, count, pool in
      Elementwise.leakyReLUGradient(
        x, slope: slope, outputGradient: dy, inputGradient: dx, count: count, pool: pool)
    }
  }

  /// x sigmoid(x).
  public func silu() -> Tensor { elementwise(Elementwise.silu, gradient: Elementwise.siluGradient) }

  /// x Φ(x), with the exact normal distribution function, like PyTorch's `GELU()`.
  public func gelu() -> Tensor { elementwise(Elementwise.gelu, gradient: Elementwise.geluGradient) }

  /// The tanh approximation of GELU, PyTorch's `GELU(approximate="tanh")`.
  public func tanhGELU() -> Tensor {
    elementwise(Elementwise.tanhGELU, gradient: Elementwise.tanhGELUGradient)
  }

  /// x sigmoid(1.702 x): transformers' `quick_gelu`.
  public func quickGELU() -> Tensor {
    elementwise(Elementwise.quickGELU, gradient: Elementwise.quickGELUGradient)
  }

  /// min(max(x, lower), upper); the gradient is zero outside the bounds.
  public func clamped(to bounds: ClosedRange<Float>) -> Tensor {
    elementwise { x, y, count, pool in
      Elementwise.clamp(x, to: bounds, output: y, count: count, pool: pool)
    } gradient: { x, dy, dx, count, pool in
      Elementwise.clampGradient(
        x, to: bounds, outputGradient: dy, inputGradient: dx, count: count, pool: pool)
    }
  }

  /// f(x) for each element, and dx = f'(x) dy.
  private func elementwise(
    _ function: (_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, Int, ThreadPool) -> Void,
    gradient:
      @escaping (
        _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, Int,
        ThreadPool
      ) -> Void
  ) -> Tensor {
    let output = tape.result(shape, of: [self])
    function(pointer, output.pointer, count, threads)
    tape.record(output) { [storage, target] tape, dy in
      let dx = tape.engine.storage(storage.count)
      gradient(storage.pointer, dy.pointer, dx.pointer, storage.count, tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
