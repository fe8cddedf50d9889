import Checkpoints
import Configuration
import Evaluation
import Files
import Foundation
import Reporting

/// A run as a single self-contained HTML page: no server, no network, no scripts.
public struct RunReport {
  private let directory: RunDirectory
  private let configuration: String
  private let metrics: [StepMetrics]
  private let log: [LogEntry]
  private let samples: [(step: Int, png: [UInt8])]
  private let steps: Int
  /// The spectra of the last grid of field samples; nil if there is none.
  private let spectra: (step: Int, spectra: FieldSpectra)?

  /// Maximum number of sample grids shown, spread over the run.
  private static let samplesAtMost = 12

  /// Reads the run in `path`.
  ///
  /// - Throws: `RunReportError` where there is no run; `FileError`, `MetricsError`, `SettingsError`.
  public init(_ path: String) throws {
    let directory = RunDirectory(path)
    self.directory = directory
    let files = FileManager.default
    guard files.fileExists(atPath: directory.configuration) else { throw RunReportError(path: path) }
    configuration = String(decoding: try WholeFile.read(directory.configuration), as: UTF8.self)
    steps = try TrainingConfiguration(file: directory.configuration).training.steps
    metrics = files.fileExists(atPath: directory.metrics) ? try MetricsFile.read(directory.metrics) : []
    let text = files.fileExists(atPath: directory.log) ? try WholeFile.read(directory.log) : []
    log = String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { LogEntry($0) }
    let pictures = try directory.sampledSteps()
    spectra = try pictures.last { files.fileExists(atPath: directory.spectra(step: $0)) }
      .map { ($0, try FieldSpectra(path: directory.spectra(step: $0))) }
    let count = min(pictures.count, Self.samplesAtMost)
    // Evenly spaced, always including the last one.
    samples = try (0..<count).map { pictures[(($0 + 1) * pictures.count - 1) / count] }
      .map { ($0, try WholeFile.read(directory.samples(step: $0))) }
  }

  public var html: String {
    let name = URL(fileURLWithPath: directory.path).lastPathComponent
    let body = [
      "<h1>\(HTML.escaped(name))</h1>", summary, "<div class=\"charts\">\(charts)</div>", sampleSection,
      spectrumSection, waitSection, eventSection,
      "<details><summary>Configuration</summary><pre>\(HTML.escaped(configuration))</pre></details>",
    ]
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(HTML.escaped(name)) - Oboro</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      <main>
      \(body.joined(separator: "\n"))
      </main>
      </body>
      </html>

      """
  }

  // MARK: Sections

  private var summary: String {
    guard let last = metrics.last else { return "<p>No step has been logged yet.</p>" }
    let recent = metrics.suffix(max(metrics.count / 10, 1))
    let speed = recent.map(\.imagesPerSecond).reduce(0, +) / Double(recent.count)
    let loss = recent.map { Double($0.loss) }.reduce(0, +) / Double(recent.count)
    let starts = log.filter { ["training", "going on"].contains($0.message) }
    let facts = [
      ("steps", "\(last.step) of \(steps)"), ("loss", String(format: "%.4f", loss)),
      ("images/s", String(format: speed < 10 ? "%.2f" : "%.0f", speed)), ("images", "\(last.images)"),
      ("ranks", starts.last?.values["ranks"] ?? ""), ("parameters", starts.last?.values["parameters"] ?? ""),
      ("starts", "\(starts.count)"), ("last entry", log.last.map { Self.unbroken($0.date) } ?? ""),
    ].filter { !$0.1.isEmpty }
    return "<dl>" + facts.map { "<div><dt>\($0.0)</dt><dd>\(HTML.escaped($0.1))</dd></div>" }.joined()
      + "</dl>"
  }

  /// A date in which a line may break only before the time.
  private static func unbroken(_ date: String) -> String {
    date.replacing("-", with: "\u{2011}").replacing("T", with: " ")
  }

  private var charts: String {
    func points(_ value: (StepMetrics) -> Double) -> [(step: Double, value: Double)] {
      metrics.map { (Double($0.step), value($0)) }
    }
    let losses = points { Double($0.loss) }
    let validation = metrics.compactMap { metrics in
      metrics.validationLoss.map { (step: Double(metrics.step), value: Double($0)) }
    }
    let parts = (metrics.last?.parts ?? []).map(\.name).map { name in
      let part = points { metrics in
        metrics.parts.first { $0.name == name }.map { Double($0.value) } ?? .nan
      }
      return Chart(
        title: "Loss: \(name)",
        lines: [
          .init(name: "each step", style: "faint", points: part),
          .init(name: "mean", style: "first", points: Chart.smoothed(part)),
        ], isLogarithmic: true)
    }
    let marks = log.filter { $0.message == "going on" }.compactMap { $0.values["step"].flatMap(Double.init) }
    let loss = Chart(
      title: "Loss",
      lines: [
        .init(name: "each step", style: "faint", points: losses),
        .init(name: "mean", style: "first", points: Chart.smoothed(losses)),
      ] + (validation.isEmpty ? [] : [.init(name: "validation", style: "second", points: validation)]),
      marks: marks, isLogarithmic: true)
    let others = [
      Chart(
        title: "Learning rate",
        lines: [.init(name: "learning rate", style: "first", points: points(\.learningRate))],
        beginsAtZero: true),
      Chart(
        title: "Gradient norm",
        lines: [.init(name: "gradient norm", style: "first", points: points { Double($0.gradientNorm) })],
        marks: marks, isLogarithmic: true),
      Chart(
        title: "Images a second",
        lines: [.init(name: "images a second", style: "first", points: points(\.imagesPerSecond))],
        marks: marks,
        beginsAtZero: true),
      Chart(
        title: "Waiting on the first rank, percent of each step",
        lines: [
          .init(
            name: "for other ranks", style: "first",
            points: points { 100 * $0.communicationWaitSeconds / max($0.seconds, 1e-9) }),
          .init(
            name: "for data", style: "second",
            points: points { 100 * $0.dataWaitSeconds / max($0.seconds, 1e-9) }),
        ], beginsAtZero: true),
    ]
    return Self.figures([loss] + parts + others)
  }

  private static func figures(_ charts: [Chart]) -> String {
    charts.compactMap { chart in
      chart.svg.map { svg in
        let names =
          chart.lines.count > 1
          ? "<p class=\"legend\">"
            + chart.lines.map { "<span class=\"\($0.style)\">\(HTML.escaped($0.name))</span>" }.joined(
              separator: " ")
            + "</p>"
          : ""
        return "<figure><figcaption>\(HTML.escaped(chart.title))</figcaption>\(svg)\(names)</figure>"
      }
    }
    .joined(separator: "\n")
  }

  private var sampleSection: String {
    guard !samples.isEmpty else { return "" }
    let pictures = samples.map { step, png in
      "<figure><img alt=\"Samples after step \(step)\" src=\"data:image/png;base64,\(Data(png).base64EncodedString())\">"
        + "<figcaption>step \(step)</figcaption></figure>"
    }
    return "<h2>Samples</h2><div class=\"samples\">\(pictures.joined())</div>"
  }

  private var spectrumSection: String {
    guard let spectra else { return "" }
    let charts = spectra.spectra.channels.map { channel in
      func points(_ values: [Double]) -> [(step: Double, value: Double)] {
        // The logarithm of 0 is undefined.
        values.enumerated().filter { $0.element > 0 }.map { (Double($0.offset + 1), $0.element) }
      }
      return Chart(
        title: "Power of \(channel.name) by waves along the longer side",
        lines: [
          .init(name: "samples of step \(spectra.step)", style: "first", points: points(channel.samples)),
          .init(name: "data", style: "second", points: points(channel.data)),
        ], isLogarithmic: true)
    }
    return "<h2>Power spectra</h2><div class=\"charts\">\(Self.figures(charts))</div>"
  }

  /// How long each rank waited, for the last start that ran to its end.
  private var waitSection: String {
    guard let entry = log.last(where: { $0.message == "waits" }) else { return "" }
    func numbers(_ name: String) -> [Double] {
      (entry.values[name] ?? "").split(separator: ",").compactMap { Double($0) }
    }
    let (communication, data, total) = (
      numbers("communication_seconds"), numbers("data_seconds"), numbers("seconds").first ?? 0
    )
    guard !communication.isEmpty, communication.count == data.count, total > 0 else { return "" }
    let rows = communication.indices.map { rank in
      let shares = [communication[rank], data[rank]].map { 100 * $0 / total }
      return String(
        format: "<tr><th>rank %d</th><td><div class=\"bar\"><i class=\"first\" style=\"width:%.1f%%\"></i>"
          + "<i class=\"second\" style=\"width:%.1f%%\"></i></div></td><td>%.1f%% / %.1f%%</td></tr>",
        rank, min(shares[0], 100), min(shares[1], 100 - min(shares[0], 100)), shares[0], shares[1])
    }
    return "<h2>Waits by rank</h2><p class=\"legend\"><span class=\"first\">for other ranks</span> "
      + "<span class=\"second\">for data</span>, of the \(Int(total)) s since the last start. "
      + "The rank that waits least for others is the one that they wait for.</p><table class=\"waits\">\(rows.joined())</table>"
  }

  private var eventSection: String {
    let events = log.filter { entry in
      entry.level != "info"
        || ["training", "going on", "stopped", "nothing left to do"].contains(entry.message)
    }
    guard !events.isEmpty else { return "" }
    let rows = RepeatedEvent.summed(events).suffix(200).map { event in
      "<tr class=\"\(HTML.escaped(event.last.level))\"><td>\(HTML.escaped(event.last.date))</td>"
        + "<td><b>\(HTML.escaped(event.last.message))</b> \(HTML.escaped(event.text))</td></tr>"
    }
    return "<h2>Events</h2><table class=\"events\">\(rows.joined())</table>"
  }

  private static let style = """
    :root { color-scheme: light dark; --ink: #1c2024; --faint: #b8c4d8; --paper: #fff; --grid: #e4e7ec;
      --first: #2458c5; --second: #c2570c; --mark: #9a9fa8; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #3d4f70; --paper: #14171b; --grid: #2b3038;
      --first: #7aa5ff; --second: #ff9a52; --mark: #717784; } }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
    main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
    h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
    dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .75rem; }
    dl div { border-left: 3px solid var(--first); padding-left: .5rem; } dt { font-size: .8rem; opacity: .75; }
    dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
    .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
    figure { margin: 1.5rem 0 0; } figcaption { font-weight: 600; font-size: .95rem; }
    svg { display: block; width: 100%; height: auto; }
    svg text { font: 12px system-ui, sans-serif; fill: var(--ink); opacity: .8; }
    .value { text-anchor: end; dominant-baseline: middle; } .step { text-anchor: middle; }
    .grid { stroke: var(--grid); fill: none; } .mark { stroke: var(--mark); stroke-dasharray: 4 4; fill: none; }
    .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
    .line.first { stroke: var(--first); } .line.second { stroke: var(--second); }
    .line.faint { stroke: var(--faint); stroke-width: 1; } .point { fill: var(--first); }
    .legend { font-size: .85rem; margin: .25rem 0; } .legend span::before { content: "■ "; }
    .legend .first::before { color: var(--first); } .legend .second::before { color: var(--second); }
    .legend .faint::before { color: var(--faint); }
    .samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
    .samples figure { margin: 0; } .samples img { width: 100%; image-rendering: pixelated; }
    table { border-collapse: collapse; width: 100%; font-size: .9rem; }
    td, th { padding: .3rem .5rem; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top; }
    .events td:first-child { white-space: nowrap; } .events td { overflow-wrap: anywhere; white-space: pre-wrap; }
    tr.warning td { color: var(--second); } tr.error td { color: #d22; }
    .waits th { width: 5rem; white-space: nowrap; } .waits td:last-child { width: 8rem; white-space: nowrap; }
    .bar { display: flex; height: .9rem; background: var(--grid); }
    .bar .first { background: var(--first); } .bar .second { background: var(--second); }
    pre { overflow-x: auto; font-size: .85rem; } details { margin-top: 2rem; } summary { font-weight: 600; }
    """
}

/// A directory that is not a run.
public struct RunReportError: Error, CustomStringConvertible {
  public let path: String

  public var description: String {
    "\(path): is no run directory: it has no \(RunDirectory.configurationName)"
  }
}
