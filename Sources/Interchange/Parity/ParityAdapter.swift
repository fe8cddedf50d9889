import Layers
import Models
import Settings

/// The adapter of a parity check: built from the case's tensors and checked against its settings.
enum ParityAdapter {
  /// The adapter of a case whose network has `layout`; nil for a case without one.
  ///
  /// - Throws: `SettingsError`; `ModelFileError` naming tensors that do not form an adapter of the network.
  static func adapter(_ file: ParityFile, of layout: ParameterLayout) throws -> Adapter? {
    typealias Name = ParityFile.Name
    guard let text = file.file.metadata[Name.adapter] else { return nil }
    let reader = try SettingsReader(
      SettingsNode(yaml: text, source: "\(file.file.path), metadata \(Name.adapter)"), path: Name.adapter)
    let settings = try AdapterSettings(reader)
    try reader.finish()
    try settings.requireTargets(in: layout, reader)
    let names = file.file.names.filter { $0.hasPrefix(Name.adapterWeights) }
    let forms = try AdapterForms(
      Dictionary(
        uniqueKeysWithValues: try names.map {
          (String($0.dropFirst(Name.adapterWeights.count)), try file.file.shape(of: $0))
        }), of: layout, in: file.file.path)
    let targets = layout.adaptableModules.filter { settings.targets.contains($0.name) }
    // For a named set of targets, the case's tensors decide what it includes.
    if case .names = settings.targets {
      if let missing = targets.first(where: { forms.byModule[$0.name] == nil }) {
        throw file.problem("has no tensors of the target \(Name.adapterWeights)\(missing.name)")
      }
      if let other = forms.byModule.keys.sorted().first(where: { !settings.targets.contains($0) }) {
        throw file.problem("has tensors of \(Name.adapterWeights)\(other), which is no target")
      }
    }
    let modules = try layout.adaptableModules.compactMap { module -> AdaptedModule? in
      guard let form = forms.byModule[module.name] else { return nil }
      guard form.kind == settings.kind else {
        throw file.problem(
          "\(Name.adapterWeights)\(module.name) is of kind \(form.kind.rawValue), "
            + "the adapter is \(settings.kind.rawValue)")
      }
      return AdaptedModule(
        name: module.name, form: form,
        scale: Float(settings.alpha / Double(form.rank ?? settings.rank(of: module))),
        isDecomposed: settings.isDecomposed)
    }
    return Adapter(modules, of: layout)
  }
}
