import CProcessor

/// How the factors of matrix products are rounded; sums are float32 in either case.
public enum ProductPrecision: String, CaseIterable, Sendable {
  case float32
  /// bfloat16 where the processor supports such products and they are large enough to be faster; otherwise factors stay
  /// float32.
  case bf16

  /// Whether the processor that this program was compiled for supports products of bfloat16.
  public static var hasBFloat16Products: Bool { oboro_has_bf16_products() }

  /// The precision of a layer with these channels: float32 if it is too thin to gain anything. It must depend on nothing
  /// else: with the number of rows, say, an image would depend on the batch that it is in.
  func of(inputs: Int, outputs: Int) -> ProductPrecision {
    min(inputs, outputs) < Self.fewestChannels ? .float32 : self
  }

  private static let fewestChannels = 32
}
