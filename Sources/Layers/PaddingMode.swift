/// What a convolution sees beyond the edges of an image.
public enum PaddingMode: String, CaseIterable, Sendable {
  case zeros
  /// What lies at the opposite edge: PyTorch's `padding_mode="circular"`.
  case periodic
}
