/// A message that a detector sends over a link: a heartbeat, with records to forward.
package struct Frame: Equatable, Sendable {
  /// The sender's status.
  package var status: RankStatus
  /// Seconds since the sender last knew of any rank that was not waiting for others.
  package var quietSeconds: Double
  package var records: [Record]

  /// Further records are sent in additional frames.
  package static let maximumRecordCount = 32
  package static let maximumByteCount = heartbeatByteCount + maximumRecordCount * recordByteCount

  private static let statusByteCount = 17
  private static let heartbeatByteCount = statusByteCount + 4 + 1
  private static let recordByteCount = 1 + 4 + 4 + 4 + 1 + statusByteCount + 4

  package init(status: RankStatus, quietSeconds: Double, records: [Record] = []) {
    self.status = status
    self.quietSeconds = quietSeconds
    self.records = records
  }

  /// Little endian: status (activity, u8; step, u64; seconds and idle seconds, f32), quiet seconds (f32), number of
  /// records (u8); each record: kind (u8), origin, subject, sequence (u32), cause (u8, 255: none), status, age (f32).
  package var bytes: [UInt8] {
    precondition(records.count <= Self.maximumRecordCount, "\(records.count) records in a frame")
    var writer = ByteWriter(capacity: Self.heartbeatByteCount + records.count * Self.recordByteCount)
    writer.append(status)
    writer.append(Float(quietSeconds).bitPattern)
    writer.append(UInt8(records.count))
    for record in records {
      writer.append(record.kind.rawValue)
      writer.append(UInt32(record.origin))
      writer.append(UInt32(record.subject))
      writer.append(record.sequence)
      writer.append(record.cause?.rawValue ?? 255)
      writer.append(record.status)
      writer.append(Float(record.age).bitPattern)
    }
    return writer.bytes
  }

  /// Returns nil for bytes that are not a frame of a run of this size: wrong length, unknown activity, kind or cause, a
  /// rank out of range, or a time that is negative, infinite or NaN.
  package init?(_ bytes: some Collection<UInt8>, worldSize: Int) {
    var reader = ByteReader(bytes)
    guard let status = reader.status(), let quiet = reader.seconds(), let count = reader.integer(UInt8.self),
      count <= Self.maximumRecordCount
    else { return nil }
    (self.status, quietSeconds, records) = (status, quiet, [])
    for _ in 0..<count {
      guard let kind = reader.integer(UInt8.self).flatMap({ Record.Kind(rawValue: $0) }),
        let origin = reader.integer(UInt32.self), origin < worldSize,
        let subject = reader.integer(UInt32.self), subject < worldSize,
        let sequence = reader.integer(UInt32.self), let code = reader.integer(UInt8.self),
        let status = reader.status(), let age = reader.seconds()
      else { return nil }
      let cause = Record.Cause(rawValue: code)
      guard cause != nil || code == 255 else { return nil }
      records.append(
        Record(
          kind, origin: Int(origin), subject: Int(subject), sequence: sequence, cause: cause, status: status,
          age: age))
    }
    guard reader.isAtEnd else { return nil }
  }
}

/// Appends little-endian integers.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int) { bytes.reserveCapacity(capacity) }

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ status: RankStatus) {
    append(status.activity.rawValue)
    append(UInt64(status.step))
    append(Float(status.seconds).bitPattern)
    append(Float(status.idleSeconds).bitPattern)
  }
}

/// Reads little-endian integers; returns nil where bytes are missing or a value is out of range.
struct ByteReader {
  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: some Collection<UInt8>) { self.bytes = Array(bytes) }

  var isAtEnd: Bool { offset == bytes.count }

  mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> Value? {
    let size = MemoryLayout<Value>.size
    guard bytes.count - offset >= size else { return nil }
    defer { offset += size }
    return Value(littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) })
  }

  /// A time, which must be finite and non-negative.
  mutating func seconds() -> Double? {
    guard let value = integer(UInt32.self).map({ Double(Float(bitPattern: $0)) }), value.isFinite, value >= 0
    else { return nil }
    return value
  }

  mutating func status() -> RankStatus? {
    guard let activity = integer(UInt8.self).flatMap({ Activity(rawValue: $0) }),
      let step = integer(UInt64.self).flatMap({ Int(exactly: $0) }), let seconds = self.seconds(),
      let idle = self.seconds()
    else { return nil }
    return RankStatus(activity, step: step, seconds: seconds, idleSeconds: idle)
  }
}
