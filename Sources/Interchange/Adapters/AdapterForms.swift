import Layers
import Settings

/// The forms of the modules of an adapter, derived from the names and shapes of its tensors.
struct AdapterForms {
  /// The form of each module, by name.
  let byModule: [String: AdapterForm]
  /// The modules with magnitudes.
  let decomposed: Set<String>

  /// - Parameters:
  ///   - shapes: of all tensors, by peft's names.
  ///   - layout: of the adapted model.
  ///   - path: the file of the tensors, for messages.
  /// - Throws: `ModelFileError` naming tensors that do not belong to an adapter, or belong to modules that the model
  ///   lacks.
  init(_ shapes: [String: [Int]], of layout: ParameterLayout, in path: String) throws {
    var tensors: [String: [String: [Int]]] = [:]
    for (name, shape) in shapes {
      guard let suffix = AdapterForm.tensorNames.first(where: { name.hasSuffix(".\($0)") }) else {
        throw ModelFileError(path, "\(name) is no tensor of an adapter")
      }
      tensors[String(name.dropLast(suffix.count + 1)), default: [:]][suffix] = shape
    }
    decomposed = Set(
      tensors.filter { !Set($0.value.keys).isDisjoint(with: AdapterForm.magnitudeNames) }.keys)
    let modules = Dictionary(uniqueKeysWithValues: layout.adaptableModules.map { ($0.name, $0) })
    byModule = try Dictionary(
      uniqueKeysWithValues: tensors.sorted { $0.key < $1.key }.map { name, shapes in
        guard let module = modules[name] else {
          let advice = NearestKey.among(modules.keys.sorted(), to: name).map { "; the nearest is \($0)" }
          throw ModelFileError(
            path,
            "has an adapter of \(name), which is no linear layer or convolution of the model\(advice ?? "")")
        }
        do {
          return (name, try AdapterForm(shapes: shapes, of: module))
        } catch let error as AdapterFormError {
          throw ModelFileError(path, error.description)
        }
      })
  }
}
