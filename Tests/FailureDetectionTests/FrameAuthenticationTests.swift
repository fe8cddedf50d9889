import FailureDetection
import Testing

@Suite struct FrameAuthenticationTests {
  private func key(_ byte: UInt8) throws -> RunKey {
    try #require(RunKey(Array(repeating: byte, count: RunKey.byteCount)))
  }

  /// RFC 4231, test cases 2 and 6.
  @Test func hmacIsThatOfTheStandard() {
    func text(_ key: [UInt8], _ message: String) -> String {
      hmacSHA256(key, Array(message.utf8)).map {
        let digits = String($0, radix: 16)
        return digits.count < 2 ? "0" + digits : digits
      }.joined()
    }
    #expect(
      text(Array("Jefe".utf8), "what do ya want for nothing?")
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(
      text(
        Array(repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First")
        == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  private struct Ends {
    var low: FrameAuthentication
    var high: FrameAuthentication
  }

  private func ends(_ lowKey: RunKey, _ highKey: RunKey) -> Ends {
    let (low, high) = (Hello(rank: 2), Hello(rank: 5))
    return Ends(
      low: FrameAuthentication(lowKey, own: low, other: high),
      high: FrameAuthentication(highKey, own: high, other: low))
  }

  @Test func framesPassInOrder() throws {
    var ends = ends(try key(1), try key(1))
    for payload in [[1, 2, 3], [], [UInt8](repeating: 7, count: Frame.maximumByteCount)] {
      let sealed = ends.low.seal(payload)
      for count in [0, 1, 2, sealed.count - 1] { #expect(ends.high.open(sealed[..<count]) == .incomplete) }
      #expect(ends.high.open(sealed[...] + [9]) == .payload(payload, byteCount: sealed.count))
      let answer = ends.high.seal(payload)
      #expect(ends.low.open(answer[...]) == .payload(payload, byteCount: answer.count))
    }
  }

  @Test func nothingElsePasses() throws {
    var ends = ends(try key(1), try key(1))
    let (first, second) = (ends.low.seal([1, 2, 3]), ends.low.seal([4]))
    #expect(ends.high.open(second[...]) == .refused, "one is missing")
    #expect(ends.low.open(first[...]) == .refused, "turned back")
    for place in 2..<first.count {
      var altered = first
      altered[place] ^= 1
      #expect(ends.high.open(altered[...]) == .refused, "byte \(place)")
    }
    #expect(ends.high.open([255, 255]) == .refused, "too long")
    #expect(ends.high.open(first[...]) == .payload([1, 2, 3], byteCount: first.count))
    #expect(ends.high.open(first[...]) == .refused, "repeated")

    var others = self.ends(try key(1), try key(2))
    #expect(others.high.open(others.low.seal([1])[...]) == .refused, "another run's key")
    var again = self.ends(try key(1), try key(1))
    #expect(again.high.open(first[...]) == .refused, "of another connection")
  }

  @Test func aHelloIsOfTheWorld() throws {
    let hello = Hello(rank: 7)
    #expect(hello.bytes.count == Hello.byteCount)
    #expect(Hello(hello.bytes, worldSize: 8) == hello)
    #expect(Hello(hello.bytes, worldSize: 7) == nil)
    #expect(Hello(Array("GET / HTTP/1.1\r\nHost: somewhere".utf8.prefix(28)), worldSize: 8) == nil)
    #expect(Hello(rank: 7).nonce != hello.nonce)
    #expect(RunKey([1, 2, 3]) == nil)
    #expect(RunKey.random().count == RunKey.byteCount && RunKey.random() != RunKey.random())
  }
}
