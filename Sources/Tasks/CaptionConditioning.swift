import Randomness
import Tensors

/// Image captions as the context that a denoiser attends to.
public struct CaptionConditioning: Sendable {
  /// Probability with which training replaces a caption with the empty text, so that the model also learns the
  /// unconditional prediction for classifier-free guidance (Ho and Salimans, 2022).
  private let dropout: Double
  private let embedding: @Sendable (_ texts: [String], _ tape: Tape) -> Tensor
  /// The text used for every image in place of its caption; nil uses the caption.
  private let template: String?

  /// - Parameters:
  ///   - shape: [L, D] of each embedded text.
  ///   - embedding: returns the embedding of a text; deterministic.
  public init(
    shape: [Int], dropout: Double,
    embedding: @escaping @Sendable (_ text: String, _ engine: Engine) -> [Float]
  ) {
    precondition(shape.count == 2, "texts of \(shape)")
    self.init(dropout: dropout) { texts, tape in
      let context = tape.input([texts.count] + shape)
      let size = shape.reduce(1, *)
      for (place, text) in texts.enumerated() {
        let part = UnsafeMutableBufferPointer(
          rebasing: context.elements[place * size..<(place + 1) * size])
        _ = part.update(fromContentsOf: embedding(text, tape.engine))
      }
      return context
    }
  }

  /// Embeds texts on the tape, so that gradients reach the embeddings.
  ///
  /// - Parameters:
  ///   - template: the text used for every image in place of its caption; nil uses the caption.
  ///   - embedding: returns [B, L, D].
  public init(
    dropout: Double, template: String? = nil,
    embedding: @escaping @Sendable (_ texts: [String], _ tape: Tape) -> Tensor
  ) {
    precondition((0...1).contains(dropout), "texts dropped at \(dropout)")
    self.dropout = dropout
    self.template = template
    self.embedding = embedding
  }

  /// The template repeated for `count` images; nil if their captions are used.
  func template(count: Int) -> [String]? {
    template.map { [String](repeating: $0, count: count) }
  }

  /// The texts that condition training on images with these captions: the caption, or the empty text if it is dropped,
  /// by (seed, step, sample).
  ///
  /// - Parameter samples: the images' positions in the step's batch, over all ranks.
  package func trainingTexts(
    of captions: some Collection<String>, seed: UInt64, step: Int, samples: Range<Int>
  ) -> [String] {
    precondition(captions.count == samples.count, "\(captions.count) captions for \(samples.count) images")
    return zip(captions, samples).map { caption, sample in
      let stream = RandomStream(seed: seed, purpose: .captionDrop, step: step, sample: sample)
      return Double(stream.bits() >> 11) * 0x1p-53 < dropout ? "" : caption
    }
  }

  /// [B, L, D].
  func context(of texts: [String], on tape: Tape) -> Tensor { embedding(texts, tape) }
}
