import FailureDetection
import Testing

@Suite struct FrameTests {
  private func record(_ kind: Record.Kind, cause: Record.Cause? = nil) -> Record {
    Record(
      kind, origin: 70_000, subject: 3, sequence: 9, cause: cause,
      status: RankStatus(.saving, step: 12, seconds: 1.5, idleSeconds: 60), age: 2.25)
  }

  @Test(arguments: Activity.allCases) func itArrivesAsItWasSent(activity: Activity) {
    var records = Record.Cause.allCases.map { record(.observation, cause: $0) }
    records += [record(.observation), record(.slow), record(.status), record(.reported)]
    let sent = Frame(
      status: RankStatus(activity, step: 3_000_000_000, seconds: 12.5, idleSeconds: 0.25), quietSeconds: 7,
      records: records)
    #expect(Frame(sent.bytes, worldSize: 70_001) == sent)
    #expect(Frame(sent.bytes, worldSize: 70_000) == nil, "a rank beyond the world")
  }

  @Test func theLongestFits() {
    let frame = Frame(
      status: RankStatus(.computing), quietSeconds: 0,
      records: Array(repeating: record(.status), count: Frame.maximumRecordCount))
    #expect(frame.bytes.count == Frame.maximumByteCount)
    #expect(Frame(frame.bytes, worldSize: 70_001) == frame)
  }

  @Test func whatIsNoFrameIsRefused() {
    let bytes = Frame(
      status: RankStatus(.computing, step: 1, seconds: 1, idleSeconds: 1), quietSeconds: 1,
      records: [record(.observation, cause: .silent)]
    ).bytes
    func isAccepted(_ change: (inout [UInt8]) -> Void) -> Bool {
      var changed = bytes
      change(&changed)
      return Frame(changed, worldSize: 70_001) != nil
    }
    #expect(isAccepted { _ in })
    #expect(!isAccepted { $0.removeLast() })
    #expect(!isAccepted { $0.append(0) })
    #expect(!isAccepted { $0 = [] })
    // Activity, a negative step, number of records, kind, cause.
    let noActivity = UInt8(Activity.allCases.count)
    for (place, value) in [(0, noActivity), (8, 0x80), (21, 2), (21, 255), (22, 4), (35, 4)] as [(Int, UInt8)]
    {
      #expect(!isAccepted { $0[place] = value }, "\(place)")
    }
    // Times: NaN, infinite, negative.
    for place in [9, 13, 17, 45, 49, 53] {
      for float in [Float.nan, .infinity, -1] {
        #expect(
          !isAccepted { frame in
            withUnsafeBytes(of: float.bitPattern.littleEndian) {
              for (index, byte) in $0.enumerated() { frame[place + index] = byte }
            }
          }, "\(float) at \(place)")
      }
    }
  }
}
