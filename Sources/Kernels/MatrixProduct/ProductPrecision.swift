import CProcessor

/// How the factors of matrix products are rounded; sums are float32 in either case.
public enum ProductPrecision: String, CaseIterable, Sendable {
  case float32
  /// To bfloat16, where the processor multiplies such numbers and the product is large enough to gain by it; elsewhere
  /// factors stay float32.
  case bf16

  /// Whether the processor that this program was compiled for multiplies bfloat16.
  public static var hasBFloat16Products: Bool { oboro_has_bf16_products() }
}
