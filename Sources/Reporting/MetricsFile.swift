import Files
import Foundation

/// A metrics file that says what cannot have been written by this program.
public struct MetricsError: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  /// From 1.
  public let line: Int
  public let reason: String

  public init(path: String, line: Int, reason: String) {
    self.path = path
    self.line = line
    self.reason = reason
  }

  /// `runs/first/metrics.jsonl:12: ...`.
  public var description: String { "\(path):\(line): \(reason)" }
}

/// `metrics.jsonl` of a run: one JSON object a line, one line a logged step, steps ascending.
public final class MetricsFile {
  private let file: LineFile
  private var lastStep: Int

  /// Opens the file of a run that goes on after `step`, or starts at 0. Lines of later steps, which will be done again,
  /// are removed, and so is a last line that a crash cut off. A crash in here loses nothing.
  ///
  /// - Throws: `FileError`; ``MetricsError`` for a damaged line that is not the last.
  public init(path: String, resumingAfter step: Int) throws {
    precondition(step >= 0, "resuming after step \(step)")
    if FileManager.default.fileExists(atPath: path) {
      let bytes = try WholeFile.read(path)
      let lines = try Self.parse(bytes, path).prefix { $0.metrics.step <= step }
      let kept = lines.flatMap { $0.bytes + [UInt8(ascii: "\n")] }
      if kept != bytes { try WholeFile.write(kept, to: path) }
      lastStep = lines.last?.metrics.step ?? 0
    } else {
      lastStep = 0
    }
    file = try LineFile(appendingTo: path)
  }

  /// Appends the line of a step after all before. It has left the process when this returns.
  ///
  /// - Throws: `FileError`.
  public func append(_ metrics: StepMetrics) throws {
    precondition(metrics.step > lastStep, "step \(metrics.step) after step \(lastStep)")
    try file.append(metrics.json)
    lastStep = metrics.step
  }

  /// All steps of the file at `path`; a last line that is cut off, as while a run writes it, is passed over.
  ///
  /// - Throws: `FileError`; ``MetricsError`` for a damaged line that is not the last.
  public static func read(_ path: String) throws -> [StepMetrics] {
    try parse(try WholeFile.read(path), path).map(\.metrics)
  }

  private static func parse(
    _ bytes: [UInt8], _ path: String
  ) throws -> [(metrics: StepMetrics, bytes: ArraySlice<UInt8>)] {
    var result: [(metrics: StepMetrics, bytes: ArraySlice<UInt8>)] = []
    let isWhole = bytes.last == UInt8(ascii: "\n")
    let lines = (isWhole ? bytes.dropLast() : bytes[...]).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if bytes.isEmpty { return [] }
    for (index, line) in lines.enumerated() {
      let metrics: StepMetrics
      do {
        metrics = try StepMetrics(json: line)
      } catch {
        if index == lines.count - 1 { break }
        throw MetricsError(
          path: path, line: index + 1,
          reason: "is no line of metrics (\(Self.reason(error))); remove or repair the line to go on")
      }
      if let last = result.last, metrics.step <= last.metrics.step {
        throw MetricsError(
          path: path, line: index + 1,
          reason: "step \(metrics.step) follows step \(last.metrics.step): steps must ascend")
      }
      result.append((metrics, line))
    }
    return result
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is no such number"
    default: "it is no JSON object"
    }
  }
}
