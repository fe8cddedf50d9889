import Testing
import Text

/// Texts that are longer than a text encoder takes, in chunks.
@Suite struct ChunkTests {
  private func tokenizer() throws -> CLIPTokenizer {
    try CLIPTokenizer(path: "\(ReferenceCases.fixtures)/sd1")
  }

  @Test(arguments: [0, 1, 74, 75, 76, 150, 151]) func chunksHoldAllTokensInOrder(count: Int) throws {
    let tokenizer = try tokenizer()
    // Letters of one token each.
    let text = (0..<count).map { String(UnicodeScalar(UInt8(97 + $0 % 20))) }.joined(separator: " ")
    let ids = tokenizer.ids(of: text)
    try #require(ids.count == count)
    let chunks = tokenizer.chunks(of: text)
    #expect(chunks.count == max((count + 74) / 75, 1))
    #expect(chunks.flatMap { $0.tokens[1..<$0.length - 1] } == ids)
    for chunk in chunks {
      #expect(chunk.tokens.count == 77 && chunk.cut == 0)
      #expect(chunk.tokens[0] == tokenizer.startToken && chunk.tokens[chunk.length - 1] == tokenizer.endToken)
    }
    // One chunk is what the text is without chunks.
    #expect(tokenizer.chunks(of: text, most: 1) == [tokenizer.encode(text)])
    let two = tokenizer.chunks(of: text, most: 2)
    #expect(two.count == min(chunks.count, 2) && two.reduce(0) { $0 + $1.cut } == max(0, count - 150))
  }
}
