import Foundation

/// A path as the bytes that Linux uses: in any encoding, and of any length.
public struct RawPath: Sendable, Hashable {
  /// Non-empty, without zero bytes.
  public let bytes: [UInt8]

  public init(_ path: String) { self.init(bytes: Array(path.utf8)) }

  public init(bytes: [UInt8]) {
    precondition(!bytes.isEmpty && !bytes.contains(0), "\(bytes) is no path")
    self.bytes = bytes
  }

  /// The path of the entry `name` in this folder.
  public func appending(_ name: some Collection<UInt8>) -> RawPath {
    RawPath(bytes: bytes + (bytes.last == Self.slash ? [] : [Self.slash]) + name)
  }

  public static let slash = UInt8(ascii: "/")

  /// Opens the file.
  ///
  /// - Returns: a descriptor, or -1 with `errno` set.
  package func open(_ flags: Int32, mode: mode_t = 0o666) -> Int32 {
    reached { folder, rest in openat(folder, rest, flags | O_CLOEXEC, mode) }
  }

  /// The status of the file that the path leads to, or of a link itself.
  ///
  /// - Returns: 0, or -1 with `errno` set.
  package func status(_ status: inout stat, followingLinks: Bool = true) -> Int32 {
    reached { folder, rest in fstatat(folder, rest, &status, followingLinks ? 0 : AT_SYMLINK_NOFOLLOW) }
  }

  /// Calls `body` with a folder and the rest of the path relative to it, which is short enough for the system: paths of
  /// `PATH_MAX` bytes or more are resolved in pieces.
  private func reached(_ body: (Int32, UnsafePointer<CChar>) -> Int32) -> Int32 {
    var folder = AT_FDCWD
    defer { if folder != AT_FDCWD { close(folder) } }
    var rest = bytes[...]
    while rest.count >= Int(PATH_MAX) {
      guard let end = rest.prefix(Int(PATH_MAX) - 1).lastIndex(of: Self.slash), end > rest.startIndex else {
        errno = ENAMETOOLONG
        return -1
      }
      let next = Self.withCString(rest[..<end]) { openat(folder, $0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
      if next < 0 { return -1 }
      if folder != AT_FDCWD { close(folder) }
      folder = next
      rest = rest[end...].drop { $0 == Self.slash }
    }
    return Self.withCString(rest) { body(folder, $0) }
  }

  private static func withCString<Result>(
    _ bytes: ArraySlice<UInt8>, _ body: (UnsafePointer<CChar>) -> Result
  ) -> Result {
    (bytes.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}

extension RawPath: CustomStringConvertible {
  public var description: String { Self.text(bytes) }

  /// The bytes of a path or name as unambiguous text: invalid UTF-8 and control characters are written as `\xE9`, and a
  /// backslash before an x as `\x5C`, so that the bytes can be recovered.
  public static func text(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    var rest = Array(bytes)[...]
    while let first = rest.first {
      let isEscape = rest.starts(with: Array("\\x".utf8))
      if let character = character(rest), !isEscape {
        text.unicodeScalars.append(character)
        rest = rest.dropFirst(String(character).utf8.count)
      } else {
        text += "\\x" + (first < 16 ? "0" : "") + String(first, radix: 16, uppercase: true)
        rest = rest.dropFirst()
      }
    }
    return text
  }

  /// The UTF-8 character at the start of `bytes`; nil if invalid, or if it is a control character.
  private static func character(_ bytes: ArraySlice<UInt8>) -> Unicode.Scalar? {
    var decoder = Unicode.UTF8()
    var iterator = bytes.makeIterator()
    guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
    return scalar.properties.generalCategory == .control ? nil : scalar
  }
}
