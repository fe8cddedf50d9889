import Foundation
import Reporting
import Settings

/// The predictions of `ScalingModel` for a measured step on several links and numbers of ranks.
public struct ScalingPrediction {
  private struct Row {
    let gigabits: Double
    let ranks: Int
    let model: ScalingModel
    /// The number of images per rank at which communication is only just hidden.
    let images: Double
  }

  private let rows: [Row]
  private let model: ScalingModel?
  private let images: Int

  /// - Parameters:
  ///   - measured: a profiled measurement of one rank.
  ///   - steps: the number of steps measured.
  ///   - links: links with their nominal bandwidths in Gbit/s.
  public init(
    _ measured: StepMeasurement, steps: Int, bucketBytes: Int, links: [(name: Double, link: LinkModel)],
    ranks: [Int], hiding: Double
  ) {
    func seconds(_ name: String) -> Double {
      (measured.profile?.events ?? []).filter { $0.name == name && ($0.kind == .group || $0.kind == .phase) }
        .reduce(0) { $0 + $1.seconds } / Double(steps)
    }
    let images = measured.batchSize
    let models = links.map { name, link in
      let model = ScalingModel(
        forward: seconds("forward"), backward: seconds("backward"), update: seconds("update"),
        bytes: measured.parameters * MemoryLayout<Float>.size, bucketBytes: bucketBytes, link: link,
        hiding: hiding)
      return (name: name, model: model)
    }
    self.images = images
    model = models.first?.model
    rows = models.flatMap { name, model in
      ranks.map {
        Row(gigabits: name, ranks: $0, model: model, images: model.hidingLimit(ranks: $0) * Double(images))
      }
    }
  }

  /// Machine-readable form, for scripts.
  public var json: String {
    let predictions: [SettingsNode] = rows.map { row in
      [
        "gigabits": SettingsNode(row.gigabits), "ranks": SettingsNode(row.ranks),
        "communication_seconds": SettingsNode(2 * row.model.communication(ranks: row.ranks)),
        "exposed_seconds": SettingsNode(row.model.exposed(ranks: row.ranks)),
        "step_seconds": SettingsNode(row.model.step(ranks: row.ranks)),
        "efficiency": SettingsNode(row.model.efficiency(ranks: row.ranks)),
        "images_to_hide": SettingsNode(row.images),
      ]
    }
    let node: SettingsNode = [
      "images": SettingsNode(images), "forward_seconds": SettingsNode(model?.forward ?? 0),
      "backward_seconds": SettingsNode(model?.backward ?? 0),
      "update_seconds": SettingsNode(model?.update ?? 0),
      "bytes": SettingsNode(model?.bytes ?? 0), "predictions": SettingsNode(.list(predictions)),
    ]
    return node.indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    var table = TextTable(
      ["Gbit/s", "ranks", "communication, ms", "not hidden, ms", "step, ms", "efficiency", "images to hide"],
      textColumns: 0)
    for row in rows {
      table.add([
        String(format: "%g", row.gigabits), "\(row.ranks)",
        String(format: "%.1f", 2e3 * row.model.communication(ranks: row.ranks)),
        String(format: "%.1f", 1e3 * row.model.exposed(ranks: row.ranks)),
        String(format: "%.1f", 1e3 * row.model.step(ranks: row.ranks)),
        String(format: "%.0f%%", 100 * row.model.efficiency(ranks: row.ranks)),
        String(format: "%.0f", row.images.rounded(.up)),
      ])
    }
    let head =
      model.map {
        String(
          format:
            "one rank, %ld images: forward %.1f ms, backward %.1f ms, update %.1f ms; %.1f MB of gradients\n",
          images, 1e3 * $0.forward, 1e3 * $0.backward, 1e3 * $0.update, 1e-6 * Double($0.bytes))
      } ?? ""
    return head + table.text
  }
}
