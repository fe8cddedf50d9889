import Files
import Foundation

/// A metrics file with contents that this program cannot have written.
public struct MetricsError: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  /// The line number, starting at 1.
  public let line: Int
  public let reason: String

  public init(path: String, line: Int, reason: String) {
    self.path = path
    self.line = line
    self.reason = reason
  }

  /// For example, `runs/first/metrics.jsonl:12: ...`.
  public var description: String { "\(path):\(line): \(reason)" }
}

/// The `metrics.jsonl` of a run: one JSON object per line and logged step, with ascending steps.
public final class MetricsFile {
  private let file: LineFile
  private var lastStep: Int

  /// The damage in lines that were removed because their steps will be repeated; nil if there was none.
  public let removedDamage: MetricsError?

  /// Opens the file of a run that resumes after `step`, or starts at 0. Removes the lines of later steps, which will be
  /// repeated, including damaged ones, as well as a last line truncated by a crash. A crash during this loses nothing.
  ///
  /// - Throws: `FileError`; ``MetricsError`` for a damaged line before one that is kept.
  public init(path: String, resumingAfter step: Int) throws {
    precondition(step >= 0, "resuming after step \(step)")
    var damage: MetricsError?
    if FileManager.default.fileExists(atPath: path) {
      let bytes = try WholeFile.read(path)
      let lines: [Line]
      (lines, damage) = try Self.lines(of: bytes, path, upTo: step)
      let kept = lines.flatMap { $0.bytes + [UInt8(ascii: "\n")] }
      if kept != bytes { try WholeFile.write(kept, to: path) }
      lastStep = lines.last?.metrics.step ?? 0
    } else {
      lastStep = 0
    }
    removedDamage = damage
    file = try LineFile(appendingTo: path)
  }

  /// Appends a line for a step later than all previous ones. It has been handed to the system when this returns.
  ///
  /// - Throws: `FileError`.
  public func append(_ metrics: StepMetrics) throws {
    precondition(metrics.step > lastStep, "step \(metrics.step) after step \(lastStep)")
    try file.append(metrics.json)
    lastStep = metrics.step
  }

  /// Reads all steps of the file at `path`; an incomplete last line, as while a run is writing it, is ignored.
  ///
  /// - Throws: `FileError`; ``MetricsError`` for a damaged line that is not the last.
  public static func read(_ path: String) throws -> [StepMetrics] {
    let (lines, damage) = try lines(of: try WholeFile.read(path), path, upTo: .max)
    if let damage { throw damage }
    return lines.map(\.metrics)
  }

  private typealias Line = (metrics: StepMetrics, bytes: ArraySlice<UInt8>)

  /// The lines of steps up to `step`, and the first damage after them, unless it is due to truncation by a crash.
  ///
  /// - Throws: ``MetricsError`` for a damaged line before the last of them.
  private static func lines(
    of bytes: [UInt8], _ path: String, upTo step: Int
  ) throws -> (kept: [Line], damage: MetricsError?) {
    var kept: [Line] = []
    var damage: MetricsError?
    if bytes.isEmpty { return ([], nil) }
    let isWhole = bytes.last == UInt8(ascii: "\n")
    let lines = (isWhole ? bytes.dropLast() : bytes[...]).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      do {
        let metrics = try StepMetrics(json: line)
        guard metrics.step <= step else { continue }
        if let damage { throw damage }
        if let last = kept.last, metrics.step <= last.metrics.step {
          throw MetricsError(
            path: path, line: index + 1,
            reason: "step \(metrics.step) follows step \(last.metrics.step): steps must ascend")
        }
        kept.append((metrics, line))
      } catch let error as MetricsError {
        throw error
      } catch {
        if index == lines.count - 1 { break }
        damage =
          damage
          ?? MetricsError(
            path: path, line: index + 1,
            reason: "is no line of metrics (\(reason(error))); remove or repair the line to go on")
      }
    }
    return (kept, damage)
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
