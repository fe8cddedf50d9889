import FailureDetection
import Testing

@Suite struct HeartbeatTests {
  @Test(arguments: Activity.allCases) func itArrivesAsItWasSent(activity: Activity) {
    let sent = Heartbeat(
      run: 0xFEDC_BA98_7654_3210, rank: 70_000,
      status: RankStatus(activity, step: 3_000_000_000, seconds: 12.5, idleSeconds: 0.25))
    #expect(sent.bytes.count == Heartbeat.byteCount)
    #expect(Heartbeat(sent.bytes) == sent)
  }

  @Test func whatIsNoHeartbeatIsNoneToUs() {
    var bytes = Heartbeat(run: 1, rank: 2, status: RankStatus(.computing)).bytes
    #expect(Heartbeat(bytes.dropLast()) == nil)
    bytes[12] = 200
    #expect(Heartbeat(bytes) == nil)
    #expect(Heartbeat(Array("GET / HTTP/1.1\r\nHost: somewhere\r\n".utf8.prefix(32))) == nil)
  }
}
