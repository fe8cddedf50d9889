import Randomness
import Tensors

/// The captions of images, as the context that a denoiser attends to.
public struct CaptionConditioning: Sendable {
  /// How often training puts the empty text in a caption's place, so that the model learns to do without: what
  /// classifier-free guidance (Ho and Salimans, 2022) needs.
  private let dropout: Double
  private let embedding: @Sendable (_ texts: [String], _ tape: Tape) -> Tensor
  /// What is said of each image in the place of its caption; nil: its caption.
  private let template: String?

  /// - Parameters:
  ///   - shape: [L, D] of each embedded text.
  ///   - embedding: gives them; the same for the same text.
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

  /// Texts that are embedded on the tape, so that there are gradients.
  ///
  /// - Parameters:
  ///   - template: what is said of each image in the place of its caption; nil: its caption.
  ///   - embedding: gives [B, L, D].
  public init(
    dropout: Double, template: String? = nil,
    embedding: @escaping @Sendable (_ texts: [String], _ tape: Tape) -> Tensor
  ) {
    precondition((0...1).contains(dropout), "texts dropped at \(dropout)")
    self.dropout = dropout
    self.template = template
    self.embedding = embedding
  }

  /// The text that replaces the captions of `count` images; nil if they have their own.
  func template(count: Int) -> [String]? {
    template.map { [String](repeating: $0, count: count) }
  }

  /// What training tells the model about images with these captions: their texts, or the empty one where it is
  /// dropped, by (seed, step, sample).
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
