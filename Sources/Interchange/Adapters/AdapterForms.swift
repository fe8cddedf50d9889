import Layers
import Settings

/// What the names and shapes of an adapter's tensors say about the modules that it changes.
struct AdapterForms {
  /// By the names of modules.
  let byModule: [String: AdapterForm]
  /// Modules with magnitudes.
  let decomposed: Set<String>

  /// - Parameters:
  ///   - shapes: of all tensors, by peft's names.
  ///   - layout: of the model that the adapter is for.
  ///   - path: the file that they are in, for messages.
  /// - Throws: `ModelFileError` naming tensors that are no adapter's, or of modules that the model does not have.
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
