/// Where the taps of a kernel lie in weights [R, R, C, K], of a convolution of C channels to K or of one that has its
/// inputs and outputs exchanged.
struct WinogradTaps {
  /// Floats from the weights' first to the kernel's first tap, from row to row of its taps and from column to column.
  let first: Int
  let rowStride: Int
  let columnStride: Int

  @inline(__always) func callAsFunction(_ row: Int, _ column: Int) -> Int {
    first &+ row &* rowStride &+ column &* columnStride
  }
}
