import Synchronization
import Tensors

/// Embedded texts, each computed when it is first asked for: the same numbers whenever and wherever that is.
public final class EmbeddedTexts: Sendable {
  private let embedding: TextEmbedding
  /// By UTF-8: texts that are equal to Unicode may have other tokens.
  private let known = Mutex<[[UInt8]: [Float]]>([:])

  /// Bytes of embeddings that are kept; texts beyond are computed each time.
  private static let limit = 1 << 30

  public init(_ embedding: TextEmbedding) { self.embedding = embedding }

  /// [L, D] of each.
  public var shape: [Int] { embedding.shape }

  /// [L, D].
  public func context(of text: String, engine: Engine) -> [Float] {
    let key = Array(text.utf8)
    if let context = known.withLock({ $0[key] }) { return context }
    let context = embedding(text, engine: engine).context
    let most = max(1, Self.limit / (context.count * MemoryLayout<Float>.size))
    known.withLock { if $0.count < most { $0[key] = context } }
    return context
  }
}
