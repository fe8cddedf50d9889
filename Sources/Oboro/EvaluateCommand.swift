import ArgumentParser
import Evaluation
import Foundation
import Kernels
import MPI
import Reporting
import Settings

/// `oboro evaluate`: how generated images compare with a reference set.
struct Evaluate: ParallelCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Compare generated images with a reference set: FID, KID, precision, recall, density, coverage.",
    discussion: """
      Each set is a folder of PNG, JPEG, WebP, GIF or BMP pictures, a dataset, or an array of features [N, D] in NumPy's \
      format (.npy). The ranks of mpirun share the images; the result is the same for any number of ranks and threads.

      oboro evaluate --generated samples --reference data/fashion-mnist
      oboro evaluate --generated samples --reference data/photos --features inception.safetensors --json

      Features are those of Inception-v3 if --features names its weights (Docs/Evaluation.md says how to make that file), \
      else the pixels themselves, of which numbers are comparable only within one dataset.
      """)

  @Option(help: ArgumentHelp("The images to judge, or their features.", valueName: "path"))
  var generated: String

  @Option(help: ArgumentHelp("The images that they should be like, or their features.", valueName: "path"))
  var reference: String

  @Option(
    help: ArgumentHelp(
      "Inception-v3's weights, safetensors; the pixels are the features if not given.", valueName: "file"))
  var features: String?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func run() throws {
    try runSession { session, environment in
      let threads = try session.world.agree { try threadOptions.count(environment: environment) }
      try compare(on: session.world, ThreadPool(threadCount: threads))
      return .done
    }
  }

  /// Computes the features of both sets, each rank its part, and compares them on rank 0. Collective.
  private func compare(on communicator: Communicator, _ pool: ThreadPool) throws {
    let console = Console()
    let isFirst = communicator.rank == 0
    let (sets, extractor) = try communicator.agree { try open() }
    var found: [FeatureSet] = []
    for (label, set) in zip(["generated", "reference"], sets) {
      let share = set.share(of: communicator)
      let bar = isFirst && share > 0 ? ProgressBar(label, total: share, console: console) : nil
      let features = try set.features(extractor, on: communicator, pool: pool) { bar?.update($0) }
      bar?.finish()
      if let features { found.append(features) }
    }
    try communicator.agree {
      guard isFirst else { return }
      let rows = SetMetrics.rows(generated: found[0].count, reference: found[1].count)
      let bar = ProgressBar("compare", total: rows, console: console)
      let metrics = try SetMetrics(generated: found[0], reference: found[1], pool: pool) { bar.update($0) }
      bar.finish()
      for warning in metrics.warnings { console.print("oboro: warning: \(warning)") }
      let names = sets.map { $0.hasImages ? extractor.name : "as given" }
      print(json ? report(metrics, found, names).indentedJSON : table(metrics, found, names), terminator: "")
    }
  }

  private func open() throws -> ([EvaluatedSet], FeatureExtractor) {
    let sets = try [generated, reference].map { try EvaluatedSet($0) }
    guard let features else { return (sets, .pixels) }
    guard sets.contains(where: \.hasImages) else {
      throw ValidationError("--features is of no use: both sets are arrays of features already")
    }
    return (sets, .inception(try InceptionV3(features)))
  }

  private func report(_ metrics: SetMetrics, _ sets: [FeatureSet], _ names: [String]) -> SettingsNode {
    func describe(_ index: Int) -> SettingsNode {
      [
        "path": SettingsNode(sets[index].name), "images": SettingsNode(sets[index].count),
        "features": SettingsNode(names[index]), "width": SettingsNode(sets[index].width),
      ]
    }
    return [
      "generated": describe(0),
      "reference": describe(1),
      "fid": SettingsNode(metrics.fid),
      "kid": SettingsNode(metrics.kid.value),
      "kid_error": SettingsNode(metrics.kid.error),
      "precision": SettingsNode(metrics.precision),
      "recall": SettingsNode(metrics.recall),
      "density": SettingsNode(metrics.density),
      "coverage": SettingsNode(metrics.coverage),
      "warnings": SettingsNode(.list(metrics.warnings.map { SettingsNode($0) })),
    ]
  }

  private func table(_ metrics: SetMetrics, _ sets: [FeatureSet], _ names: [String]) -> String {
    var described = TextTable(["set", "path", "features", "images", "width"], textColumns: 3)
    for (index, label) in ["generated", "reference"].enumerated() {
      described.add([
        label, sets[index].name, names[index], "\(sets[index].count)", "\(sets[index].width)",
      ])
    }
    func digits(_ value: Double) -> String { String(format: "%.6g", value) }
    var values = TextTable(["metric", "value", "error", "better"])
    values.add(["fid", digits(metrics.fid), "", "lower"])
    values.add(["kid", digits(metrics.kid.value), digits(metrics.kid.error), "lower"])
    values.add(["precision (k = \(SetMetrics.precisionNeighbours))", digits(metrics.precision), "", "higher"])
    values.add(["recall (k = \(SetMetrics.precisionNeighbours))", digits(metrics.recall), "", "higher"])
    values.add(["density (k = \(SetMetrics.densityNeighbours))", digits(metrics.density), "", "higher"])
    values.add(["coverage (k = \(SetMetrics.densityNeighbours))", digits(metrics.coverage), "", "higher"])
    return described.text + "\n" + values.text
  }
}
