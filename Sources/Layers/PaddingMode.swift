/// How a convolution pads an image.
public enum PaddingMode: String, CaseIterable, Sendable {
  case zeros
  /// Values from the opposite edge: PyTorch's `padding_mode="circular"`.
  case periodic
}
