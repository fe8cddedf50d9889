/// The locations of a kernel's taps in weights [R, R, C, K], for a convolution from C channels to K or one with inputs
/// and outputs swapped.
struct WinogradTaps {
  /// The offset of the kernel's first tap in the weights, and the distances between rows and columns of taps, in
  /// floats.
  let first: Int
  let rowStride: Int
  let columnStride: Int

  @inline(__always) func callAsFunction(_ row: Int, _ column: Int) -> Int {
    first &+ row &* rowStride &+ column &* columnStride
  }
}
