internal import CCrypto

/// The secret of a run, distributed to its ranks over MPI. It distinguishes them from any other process.
public struct RunKey: Sendable, Equatable {
  public static let byteCount = 32

  public let bytes: [UInt8]

  /// Returns nil unless there are exactly `byteCount` bytes.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// Generates a new key with the system's cryptographic generator.
  public static func random() -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}

/// The first message from both ends of a connection, unencrypted: the sender's rank and a nonce.
package struct Hello: Equatable, Sendable {
  package static let byteCount = 28
  private static let magic: UInt32 = 0x4842_424F  // "OBBH"
  private static let version: UInt32 = 1
  private static let nonceByteCount = 16

  package let rank: Int
  package let nonce: [UInt8]

  /// Creates a hello with a new nonce.
  package init(rank: Int) {
    self.rank = rank
    var generator = SystemRandomNumberGenerator()
    nonce = (0..<Self.nonceByteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  package var bytes: [UInt8] {
    var writer = ByteWriter(capacity: Self.byteCount)
    writer.append(Self.magic)
    writer.append(Self.version)
    writer.append(UInt32(rank))
    return writer.bytes + nonce
  }

  /// Returns nil for malformed bytes or a rank out of range.
  package init?(_ bytes: some Collection<UInt8>, worldSize: Int) {
    var reader = ByteReader(bytes)
    guard bytes.count == Self.byteCount, reader.integer(UInt32.self) == Self.magic,
      reader.integer(UInt32.self) == Self.version, let rank = reader.integer(UInt32.self), rank < worldSize
    else { return nil }
    self.rank = Int(rank)
    nonce = Array(bytes.suffix(Self.nonceByteCount))
  }
}

/// Seals and opens the frames of one connection. The connection's key is the HMAC-SHA256 of both ranks and both nonces
/// under the run's key; each frame's tag covers its sender and its sequence number on the connection. Frames that are
/// replayed, altered, dropped, reordered or reflected are therefore detected and refused.
package struct FrameAuthentication {
  package static let tagByteCount = 16
  private static let lengthByteCount = 2
  /// The maximum size of a sealed frame.
  package static let maximumByteCount = lengthByteCount + Frame.maximumByteCount + tagByteCount

  private let key: [UInt8]
  private let own: Int
  private let other: Int
  private var sentCount: UInt64 = 0
  private var receivedCount: UInt64 = 0

  package enum Opened: Equatable {
    /// More bytes of the frame are needed.
    case incomplete
    /// The frame's content, and the number of bytes consumed.
    case payload([UInt8], byteCount: Int)
    /// The frame is too long, or its tag is wrong.
    case refused
  }

  package init(_ runKey: RunKey, own: Hello, other: Hello) {
    let (low, high) = own.rank < other.rank ? (own, other) : (other, own)
    key = hmacSHA256(runKey.bytes, Array("oboro heartbeat link".utf8) + low.bytes + high.bytes)
    self.own = own.rank
    self.other = other.rank
  }

  /// Encodes a frame: length (u16, little endian), payload, tag.
  package mutating func seal(_ payload: [UInt8]) -> [UInt8] {
    precondition(payload.count <= Frame.maximumByteCount, "a frame of \(payload.count) bytes")
    defer { sentCount += 1 }
    var writer = ByteWriter(capacity: Self.maximumByteCount)
    writer.append(UInt16(payload.count))
    return writer.bytes + payload + tag(payload, sender: own, number: sentCount)
  }

  /// Opens the first frame of `bytes`.
  package mutating func open(_ bytes: ArraySlice<UInt8>) -> Opened {
    var reader = ByteReader(bytes.prefix(Self.lengthByteCount))
    guard let length = reader.integer(UInt16.self).map({ Int($0) }) else { return .incomplete }
    guard length <= Frame.maximumByteCount else { return .refused }
    let total = Self.lengthByteCount + length + Self.tagByteCount
    guard bytes.count >= total else { return .incomplete }
    let payload = Array(bytes.dropFirst(Self.lengthByteCount).prefix(length))
    let sent = bytes.dropFirst(Self.lengthByteCount + length).prefix(Self.tagByteCount)
    // Compares all bytes in constant time, so that timing does not reveal where they differ.
    let difference = zip(tag(payload, sender: other, number: receivedCount), sent).reduce(UInt8(0)) {
      $0 | ($1.0 ^ $1.1)
    }
    guard difference == 0 else { return .refused }
    receivedCount += 1
    return .payload(payload, byteCount: total)
  }

  private func tag(_ payload: [UInt8], sender: Int, number: UInt64) -> ArraySlice<UInt8> {
    var writer = ByteWriter(capacity: 12)
    writer.append(UInt32(sender))
    writer.append(number)
    return hmacSHA256(key, writer.bytes + payload).prefix(Self.tagByteCount)
  }
}

/// RFC 2104.
package func hmacSHA256(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
  var digest = [UInt8](repeating: 0, count: 32)
  oboro_keep_crypto()
  let result = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &digest, nil)
  precondition(result != nil, "libcrypto offers no HMAC-SHA256")
  return digest
}
