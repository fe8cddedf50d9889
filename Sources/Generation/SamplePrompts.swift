import Tensors

/// The texts that images are drawn of, embedded: image i is of prompt i modulo their number.
public struct SamplePrompts: Sendable {
  public let texts: [String]
  /// What guidance leads away from; empty for none.
  public let negative: String
  /// [L, D].
  let shape: [Int]
  /// Of each text, then of the negative one, [L, D].
  private let contexts: [[Float]]

  /// - Parameter contexts: [L, D] of each text, then of the negative one.
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

  /// What image number `sample` is drawn of.
  public func text(_ sample: Int) -> String { texts[sample % texts.count] }

  /// [n, L, D].
  func context(of samples: Range<Int>, on tape: Tape) -> Tensor {
    input(samples.map { contexts[$0 % texts.count] }, on: tape)
  }

  /// The negative text's for `count` images, [n, L, D].
  func negativeContext(_ count: Int, on tape: Tape) -> Tensor {
    input([[Float]](repeating: contexts[texts.count], count: count), on: tape)
  }

  private func input(_ contexts: [[Float]], on tape: Tape) -> Tensor {
    let input = tape.input([contexts.count] + shape)
    _ = input.elements.update(fromContentsOf: contexts.joined())
    return input
  }
}
