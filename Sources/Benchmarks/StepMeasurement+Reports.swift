import Foundation
import Reporting
import Settings

extension StepMeasurement {
  /// Machine-readable form, for scripts.
  public var json: String {
    let node: SettingsNode = [
      "images_per_second": SettingsNode(imagesPerSecond),
      "step_seconds": SettingsNode(medianSeconds),
      "flops_per_image": SettingsNode(flopsPerImage),
      "peak_resident_bytes": SettingsNode(peakResidentBytes),
      "ranks": SettingsNode(ranks),
      "threads": SettingsNode(threads),
      "parameters": SettingsNode(parameters),
      "precision": SettingsNode(precision.rawValue),
      "communication_wait_seconds": SettingsNode(communicationWaitSeconds),
      "communication_exposed_seconds": SettingsNode(exposedCommunicationSeconds),
    ]
    return node.indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    func format(_ format: String, _ values: any CVarArg...) -> String {
      String(format: format, arguments: values)
    }
    let (fastest, slowest) = (stepSeconds.min() ?? 0, stepSeconds.max() ?? 0)
    let rows = [
      ("images a second", format("%.2f", imagesPerSecond)),
      (
        "seconds a step",
        format(
          "%.4f, the median of %ld from %.4f to %.4f", medianSeconds, stepSeconds.count, fastest, slowest)
      ),
      (
        "arithmetic",
        format(
          "%.1f GFLOP/s, %.0f%% of the %.0f that these threads reach in registers", flopsPerSecond * 1e-9,
          100 * flopsPerSecond / peakFlopsPerSecond, peakFlopsPerSecond * 1e-9)
      ),
      ("", format("%.4f GFLOP an image, convolutions by their definition", Double(flopsPerImage) * 1e-9)),
      (
        "communication",
        format("%.4f seconds a step are waited for other ranks, on average", communicationWaitSeconds)
      ),
      ("", format("%.4f by the rank that waits least: what does not hide", exposedCommunicationSeconds)),
      ("peak memory", format("%.0f MB, the largest rank", Double(peakResidentBytes) * 1e-6)),
      ("parameters", "\(parameters)"),
      ("precision", precision.rawValue),
    ]
    return rows.map { name, value in
      "  \(name.padding(toLength: 17, withPad: " ", startingAt: 0))\(value)\n"
    }.joined()
  }
}
