import Synchronization
import Tensors

/// A cache of embedded texts, each computed on first use; results do not depend on when or where that is.
public final class EmbeddedTexts: Sendable {
  private let embedding: TextEmbedding
  /// Keyed by UTF-8: texts that Unicode considers equal may have different tokens.
  private let known = Mutex<[[UInt8]: [Float]]>([:])

  /// The size limit of the cache in bytes; further texts are computed each time.
  private static let limit = 1 << 30

  public init(_ embedding: TextEmbedding) { self.embedding = embedding }

  /// [L, D] of each embedded text.
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
