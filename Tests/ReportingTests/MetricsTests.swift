import Files
import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct MetricsTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.path + "/metrics.jsonl"
  }

  private func metrics(_ step: Int) -> StepMetrics {
    var metrics = StepMetrics()
    metrics.step = step
    metrics.images = 128 * step
    metrics.loss = 0.1 / Float(step)
    metrics.gradientNorm = 1.5e-9
    metrics.learningRate = 1e-3
    metrics.seconds = 1 / 3
    metrics.imagesPerSecond = 384
    return metrics
  }

  private func write(_ text: String) throws { try WholeFile.write(Array(text.utf8), to: path) }

  private func text() throws -> String { String(decoding: try WholeFile.read(path), as: UTF8.self) }

  /// The file of steps 1 to `count`.
  private func lines(_ count: Int) throws -> String {
    let file = try MetricsFile(path: path, resumingAfter: 0)
    for step in 1...count { try file.append(metrics(step)) }
    return try text()
  }

  @Test func aLineHasTheAgreedNamesInTheirOrder() throws {
    #expect(
      try lines(1)
        == #"{"step": 1, "images": 128, "loss": 0.1, "gradient_norm": 1.5e-09, "learning_rate": 0.001, "#
        + #""seconds": 0.3333333333333333, "images_per_second": 384.0, "data_wait_seconds": 0.0, "#
        + #""communication_wait_seconds": 0.0}"# + "\n")
  }

  @Test func numbersReadBackWithAllTheirBits() throws {
    let file = try MetricsFile(path: path, resumingAfter: 0)
    var written: [StepMetrics] = []
    // A walk over the whole range of positive finite floats.
    for (index, bits) in stride(from: UInt32(1), to: Float.infinity.bitPattern, by: 9_999_991).enumerated() {
      var metrics = metrics(index + 1)
      metrics.loss = Float(bitPattern: bits)
      metrics.gradientNorm = -metrics.loss
      metrics.seconds = Double(metrics.loss).nextUp
      try file.append(metrics)
      written.append(metrics)
    }
    #expect(written.count > 200)
    #expect(try MetricsFile.read(path) == written)
  }

  @Test func whatJSONCannotSayIsNull() throws {
    let file = try MetricsFile(path: path, resumingAfter: 0)
    var lost = metrics(1)
    lost.loss = .nan
    lost.seconds = .infinity
    try file.append(lost)
    #expect(try text().contains(#""loss": null, "gradient_norm": 1.5e-09"#))
    let read = try #require(try MetricsFile.read(path).first)
    #expect(read.loss.isNaN && read.seconds.isNaN && read.step == 1)
  }

  @Test func resumingDropsLaterSteps() throws {
    let all = try lines(5)
    let file = try MetricsFile(path: path, resumingAfter: 3)
    #expect(try text() == all.split(separator: "\n").prefix(3).map { $0 + "\n" }.joined())
    try file.append(metrics(4))
    #expect(try MetricsFile.read(path) == (1...4).map(metrics))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["metrics.jsonl"])
  }

  @Test func startingAnewEmptiesTheFile() throws {
    _ = try lines(3)
    _ = try MetricsFile(path: path, resumingAfter: 0)
    #expect(try text() == "")
  }

  @Test func aMissingFileIsCreated() throws {
    try MetricsFile(path: path, resumingAfter: 100).append(metrics(101))
    #expect(try MetricsFile.read(path).map(\.step) == [101])
  }

  @Test func aTornLastLineIsDroppedWhereverItWasCut() throws {
    let all = try lines(3)
    let first = all.split(separator: "\n").prefix(2).map { $0 + "\n" }.joined()
    for length in first.count..<all.count {
      try write(String(all.prefix(length)))
      // Without its line break only, the last line says all.
      let whole = length == all.count - 1
      #expect(try MetricsFile.read(path).count == (whole ? 3 : 2))
      try MetricsFile(path: path, resumingAfter: 10).append(metrics(11))
      #expect(try MetricsFile.read(path).map(\.step) == [1, 2] + (whole ? [3] : []) + [11])
    }
  }

  @Test func zerosAtTheEndAreATornLine() throws {
    let all = try lines(2)
    try write(all + "\0\0\0\0")
    _ = try MetricsFile(path: path, resumingAfter: 2)
    #expect(try text() == all)
  }

  @Test func aDamagedLineInTheMiddleIsNamed() throws {
    let all = try lines(3).split(separator: "\n").map(String.init)
    for (damaged, reason) in [
      ("{\"step\": 2", "it is no JSON object"), ("", "it is no JSON object"), ("{}", "\"step\" is missing"),
      (all[1].replacing("0.001", with: "\"x\""), "\"learning_rate\" is no such number"),
      (all[1].replacing("256", with: "2.5"), "it is no JSON object"),
    ] {
      try write([all[0], damaged, all[2], ""].joined(separator: "\n"))
      let error = #expect(throws: MetricsError.self) { try MetricsFile.read(path) }
      #expect(
        error?.description
          == "\(path):2: is no line of metrics (\(reason)); remove or repair the line to go on")
      #expect(throws: MetricsError.self) { try MetricsFile(path: path, resumingAfter: 3) }
    }
    try write([all[0], all[2], all[1], ""].joined(separator: "\n"))
    let error = #expect(throws: MetricsError.self) { try MetricsFile.read(path) }
    #expect(error?.description == "\(path):3: step 2 follows step 3: steps must ascend")
  }
}
