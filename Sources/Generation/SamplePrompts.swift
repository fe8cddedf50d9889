import Tensors

/// The prompts of images, embedded: image i uses prompt i modulo their number.
public struct SamplePrompts: Sendable {
  public let texts: [String]
  /// The negative prompt; empty for none.
  public let negative: String
  /// [L, D].
  let shape: [Int]
  /// [L, D] of each text, followed by that of the negative prompt.
  private let contexts: [[Float]]

  /// - Parameter contexts: [L, D] of each text, followed by that of the negative prompt.
  public init(_ texts: [String], negative: String, contexts: [[Float]], shape: [Int]) {
    precondition(
      !texts.isEmpty && contexts.count == texts.count + 1
        && contexts.allSatisfy { $0.count == shape.reduce(1, *) },
      "\(contexts.map(\.count)) values of \(texts.count) texts and the negative one, each of \(shape)")
    self.texts = texts
    self.negative = negative
    self.contexts = contexts
    self.shape = shape
  }

  /// The prompt of the image numbered `sample`.
  public func text(_ sample: Int) -> String { texts[sample % texts.count] }

  /// [n, L, D].
  func context(of samples: Range<Int>, on tape: Tape) -> Tensor {
    input(samples.map { contexts[$0 % texts.count] }, on: tape)
  }

  /// The negative prompt's context for `count` images, [n, L, D].
  func negativeContext(_ count: Int, on tape: Tape) -> Tensor {
    input([[Float]](repeating: contexts[texts.count], count: count), on: tape)
  }

  private func input(_ contexts: [[Float]], on tape: Tape) -> Tensor {
    let input = tape.input([contexts.count] + shape)
    _ = input.elements.update(fromContentsOf: contexts.joined())
    return input
  }
}
