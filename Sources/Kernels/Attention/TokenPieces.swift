/// Divides the tokens of a batch into pieces of fixed size, none of which spans two images: sums over an image's tokens
/// are sums over its pieces, in order.
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

  /// The image of piece `index`, and its rows among all rows of the batch.
  func piece(_ index: Int) -> (image: Int, rows: Range<Int>) {
    let (image, part) = (index / perImage, index % perImage)
    let first = image * tokens
    return (image, first + part * size..<first + min((part + 1) * size, tokens))
  }

  /// The pieces of an image.
  func pieces(of image: Int) -> Range<Int> { image * perImage..<(image + 1) * perImage }
}
