import Files
import Foundation

/// An event file for TensorBoard: `events.out.tfevents...`, a sequence of TensorFlow's `Event` messages (TensorFlow's
/// event.proto, summary.proto and tensor.proto), each with its length and checksums (TFRecord).
public final class EventFile {
  private let file: AppendingFile
  private let date: () -> Date

  /// Field numbers of the messages in the `.proto` files.
  private enum Event {
    static let wallTime = 1
    static let step = 2
    static let fileVersion = 3
    static let summary = 5
    static let sessionLog = 7
  }
  private enum Value {
    static let inSummary = 1
    static let tag = 1
    static let number = 2
    static let image = 4
    static let tensor = 8
    static let metadata = 9
  }

  /// Opens a new file in `folder`, which is created if necessary. TensorBoard shows all files of a folder as one run.
  ///
  /// - Parameter step: the last completed step; events of later steps in earlier files are discarded.
  /// - Throws: `FileError`.
  public init(folder: String, resumingAfter step: Int, date: @escaping () -> Date = { Date() }) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError("create the directory", folder, cause: error)
    }
    self.date = date
    // TensorBoard reads files in the order of their names.
    let seconds = String(format: "%010d", Int(date().timeIntervalSince1970))
    file = try AppendingFile("\(folder)/events.out.tfevents.\(seconds).\(getpid()).oboro")
    try append(step: 0) { $0.add(Event.fileVersion, "brain.Event:2") }
    if step > 0 {
      // SessionLog.status: START.
      try append(step: step + 1) { $0.add(Event.sessionLog) { $0.add(1, 1) } }
    }
  }

  /// Adds named scalars of a step.
  ///
  /// - Throws: `FileError`.
  public func add(_ numbers: [(name: String, value: Float)], step: Int) throws {
    try append(step: step) {
      $0.add(Event.summary) { summary in
        for (name, value) in numbers {
          summary.add(Value.inSummary) {
            $0.add(Value.tag, name)
            $0.add(Value.number, value)
          }
        }
      }
    }
  }

  /// Adds an image.
  ///
  /// - Parameter png: the contents of a PNG file.
  /// - Throws: `FileError`.
  public func add(_ name: String, png: [UInt8], step: Int) throws {
    // The width and height are in the first chunk, at fixed offsets.
    guard png.count >= 24 else { return }
    func number(_ offset: Int) -> Int { png[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
    try append(step: step) {
      $0.add(Event.summary) {
        $0.add(Value.inSummary) {
          $0.add(Value.tag, name)
          $0.add(Value.image) {
            $0.add(1, number(20))
            $0.add(2, number(16))
            // RGB, regardless of the file's format, since the viewer decodes it.
            $0.add(3, 3)
            $0.add(4, png)
          }
        }
      }
    }
  }

  /// Adds a text in Markdown.
  ///
  /// - Throws: `FileError`.
  public func add(_ name: String, text: String, step: Int) throws {
    try append(step: step) {
      $0.add(Event.summary) {
        $0.add(Value.inSummary) {
          $0.add(Value.tag, name)
          // SummaryMetadata.plugin_data.plugin_name.
          $0.add(Value.metadata) { $0.add(1) { $0.add(1, "text") } }
          $0.add(Value.tensor) {
            // DT_STRING with one element.
            $0.add(1, 7)
            $0.add(2) { $0.add(2) { $0.add(1, 1) } }
            $0.add(8, text)
          }
        }
      }
    }
  }

  private func append(step: Int, _ fill: (inout ProtocolBuffer) -> Void) throws {
    var event = ProtocolBuffer()
    event.add(Event.wallTime, date().timeIntervalSince1970)
    if step > 0 { event.add(Event.step, step) }
    fill(&event)
    try file.append(Self.record(event.bytes))
  }

  /// A TFRecord: length, its checksum, content, its checksum.
  static func record(_ content: [UInt8]) -> [UInt8] {
    func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let length = bytes(UInt64(content.count))
    return length + bytes(CRC32C.masked(length)) + content + bytes(CRC32C.masked(content))
  }
}
