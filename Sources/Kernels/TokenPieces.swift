/// The tokens of a batch in pieces of fixed size, none of which reaches over two images: a sum over an image's tokens
/// is one of its pieces' sums, in their order.
struct TokenPieces {
  let batch: Int
  let tokens: Int

  private static let size = 64

  private var perImage: Int { (tokens + Self.size - 1) / Self.size }

  var count: Int { batch * perImage }

  /// Piece `index`: its image, and its rows among all rows of the batch.
  func piece(_ index: Int) -> (image: Int, rows: Range<Int>) {
    let (image, part) = (index / perImage, index % perImage)
    let first = image * tokens
    return (image, first + part * Self.size..<first + min((part + 1) * Self.size, tokens))
  }

  /// The pieces of an image.
  func pieces(of image: Int) -> Range<Int> { image * perImage..<(image + 1) * perImage }
}
