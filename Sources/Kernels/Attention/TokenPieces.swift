/// The tokens of a batch in pieces of fixed size, none of which reaches over two images: a sum over an image's tokens
/// is one of its pieces' sums, in their order.
struct TokenPieces {
  let batch: Int
  let tokens: Int
  private let size: Int

  init(batch: Int, tokens: Int, size: Int = 64) {
    self.batch = batch
    self.tokens = tokens
    self.size = size
  }

  private var perImage: Int { (tokens + size - 1) / size }

  var count: Int { batch * perImage }

  /// Piece `index`: its image, and its rows among all rows of the batch.
  func piece(_ index: Int) -> (image: Int, rows: Range<Int>) {
    let (image, part) = (index / perImage, index % perImage)
    let first = image * tokens
    return (image, first + part * size..<first + min((part + 1) * size, tokens))
  }

  /// The pieces of an image.
  func pieces(of image: Int) -> Range<Int> { image * perImage..<(image + 1) * perImage }
}
