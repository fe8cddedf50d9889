import Evaluation
import Foundation
import Reporting
import Settings

/// The results of a comparison of sets.
struct EvaluationResults {
  struct DescribedSet {
    let path: String
    let images: Int
    /// The compared features; nil for none.
    var features: String?
    var width: Int?
  }

  /// The generated set, and the reference if there is one.
  var sets: [DescribedSet]
  /// nil without a reference.
  var metrics: SetMetrics?
  /// nil without a CLIP.
  var clip: CLIPScores?

  /// Results that are missing, with the reasons.
  var notes: [String] = []

  /// Caveats about the results.
  var warnings: [String] {
    let own = notes + (metrics?.warnings ?? [])
    guard let clip, clip.score != nil, clip.shuffled == nil else { return own }
    return own + ["all pictures are of one text: there is no other one to compare their CLIP score with"]
  }

  /// The results, in display order.
  private var measures: [Measure] {
    var measures = metrics?.measures ?? []
    if let discrepancy = clip?.discrepancy {
      measures.append(Measure("cmmd", discrepancy.value, error: discrepancy.error, isBetterHigher: false))
    }
    if let score = clip?.score {
      let shuffled = clip?.shuffled
      measures += [
        Measure("clip_score", as: "CLIP score", score.value, error: score.error, isBetterHigher: true),
        Measure(
          "clip_score_shuffled", as: "CLIP score of other texts", shuffled?.value,
          error: .some(shuffled?.error), isBetterHigher: false),
      ]
    }
    return measures
  }

  /// The results for scripts.
  var node: SettingsNode {
    var entries = zip(["generated", "reference"], sets).map { label, set in
      var node: SettingsNode = ["path": SettingsNode(set.path), "images": SettingsNode(set.images)]
      if let features = set.features { node = node.setting("features", to: SettingsNode(features)) }
      if let width = set.width { node = node.setting("width", to: SettingsNode(width)) }
      return SettingsEntry(key: label, node: node)
    }
    for measure in measures {
      entries.append(SettingsEntry(key: measure.key, node: measure.value.map { SettingsNode($0) } ?? .null))
      if let error = measure.error {
        entries.append(
          SettingsEntry(key: "\(measure.key)_error", node: error.map { SettingsNode($0) } ?? .null))
      }
    }
    entries.append(
      SettingsEntry(key: "warnings", node: SettingsNode(.list(warnings.map { SettingsNode($0) }))))
    return SettingsNode(.section(entries))
  }

  /// The results for the terminal.
  var table: String {
    var described = TextTable(["set", "path", "features", "images", "width"], textColumns: 3)
    for (label, set) in zip(["generated", "reference"], sets) {
      described.add([
        label, set.path, set.features ?? "", "\(set.images)", set.width.map(String.init) ?? "",
      ])
    }
    func digits(_ value: Double?) -> String { value.map { String(format: "%.6g", $0) } ?? "" }
    var values = TextTable(["metric", "value", "error", "better"])
    for measure in measures {
      values.add([
        measure.name, digits(measure.value), digits(measure.error ?? nil),
        measure.isBetterHigher ? "higher" : "lower",
      ])
    }
    return described.text + "\n" + values.text
  }
}
