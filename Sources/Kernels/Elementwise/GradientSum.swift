/// Memory for the gradient of some weights, which one operation writes and others may add to. The memory of a large
/// model's gradients is read and written for every micro-batch: not to clear it first saves a third of that.
public struct GradientSum {
  public let memory: UnsafeMutablePointer<Float>
  /// Whether there are numbers to add to; if not, what the memory holds is to be overwritten.
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
