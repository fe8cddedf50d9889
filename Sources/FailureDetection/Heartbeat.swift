/// What a rank sends to each other one now and then: a frame of fixed length, in the processor's byte order, which all
/// hosts of a run share.
package struct Heartbeat: Equatable, Sendable {
  /// The same for all ranks of a run, and for no other run's: a port may belong to someone else.
  package var run: UInt64
  package var rank: Int
  package var status: RankStatus

  package static let byteCount = 32

  package init(run: UInt64, rank: Int, status: RankStatus) {
    self.run = run
    self.rank = rank
    self.status = status
  }

  package var bytes: [UInt8] {
    var result: [UInt8] = []
    func append<Value>(_ value: Value) {
      withUnsafeBytes(of: value) { result.append(contentsOf: $0) }
    }
    append(run)
    append(UInt32(rank))
    append(UInt32(status.activity.rawValue))
    append(UInt64(status.step))
    append(Float(status.seconds))
    append(Float(status.idleSeconds))
    return result
  }

  /// nil for what is no frame.
  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    let all = Array(bytes)
    func value<Value: BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value {
      all.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }
    guard let code = UInt8(exactly: value(12, as: UInt32.self)), let activity = Activity(rawValue: code),
      let step = Int(exactly: value(16, as: UInt64.self))
    else { return nil }
    run = value(0, as: UInt64.self)
    rank = Int(value(8, as: UInt32.self))
    status = RankStatus(
      activity, step: step, seconds: Double(value(24, as: Float.self)),
      idleSeconds: Double(value(28, as: Float.self)))
  }
}
