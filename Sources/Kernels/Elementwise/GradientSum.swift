/// Memory for the gradient of some weights, which one operation writes and others may add to. The gradients of a large
/// model are read and written for every micro-batch; not clearing them first saves a third of that traffic.
public struct GradientSum {
  public let memory: UnsafeMutablePointer<Float>
  /// Whether the memory holds a partial sum to add to; if not, its contents are overwritten.
  public let isBegun: Bool

  public init(_ memory: UnsafeMutablePointer<Float>, isBegun: Bool) {
    self.memory = memory
    self.isBegun = isBegun
  }

  public static func adding(to memory: UnsafeMutablePointer<Float>) -> GradientSum {
    GradientSum(memory, isBegun: true)
  }

  public static func overwriting(_ memory: UnsafeMutablePointer<Float>) -> GradientSum {
    GradientSum(memory, isBegun: false)
  }
}
