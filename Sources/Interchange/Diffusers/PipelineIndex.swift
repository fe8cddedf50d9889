import Files
import Foundation
import Settings

/// `model_index.json` of a pipeline folder: its components and their classes.
struct PipelineIndex {
  let path: String
  /// The pipeline's class, such as `StableDiffusionPipeline`; nil if none is named.
  let pipelineClass: String?
  /// The components that the pipeline has, with their classes, in the file's order.
  let components: [(name: String, className: String)]

  /// Components that do not affect images, or that only other uses of the pipeline need.
  private static let dispensable: Set = ["safety_checker", "feature_extractor", "image_encoder"]
  private static let known: Set = [
    PipelineFolder.Name.unet, PipelineFolder.Name.autoencoder, PipelineFolder.Name.textEncoder,
    PipelineFolder.Name.tokenizer, PipelineFolder.Name.scheduler, PipelineFolder.Name.control,
  ]

  /// - Throws: `ModelFileError` for an unsupported component that affects images; `SettingsError`, `FileError`.
  init(folder: String) throws {
    path = "\(folder)/\(PipelineFolder.Name.index)"
    let index = try PipelineFolder.json(path)
    if case .scalar(let name)? = index[PipelineFolder.Name.pipelineClass]?.content {
      pipelineClass = name.text
    } else {
      pipelineClass = nil
    }
    components = (index.entries ?? []).compactMap { entry in
      // A missing component is [null, null].
      guard case .list(let names) = entry.node.content, names.count == 2,
        case .scalar(let name) = names[1].content, name.meaning != .nothing
      else { return nil }
      return (entry.key, name.text)
    }
    let strangers = components.map(\.name).filter {
      !Self.known.contains($0) && !Self.dispensable.contains($0)
    }
    guard strangers.isEmpty else {
      throw ModelFileError(
        path,
        "the pipeline has \(strangers.joined(separator: ", ")), which cannot be computed here; known are "
          + Self.known.sorted().joined(separator: ", "))
    }
  }

  /// The components that are omitted here.
  var unused: [String] { components.map(\.name).filter(Self.dispensable.contains) }

  /// The component's class; nil if the pipeline has no such component. Requires its folder to exist.
  ///
  /// - Throws: `ModelFileError`.
  func className(of component: String) throws -> String? {
    guard let entry = components.first(where: { $0.name == component }) else { return nil }
    let folder = "\(URL(fileURLWithPath: path).deletingLastPathComponent().path)/\(component)"
    guard FileManager.default.fileExists(atPath: folder) else {
      throw ModelFileError(
        path, "names a \(component) (\(entry.className)), and the folder \(component) is missing")
    }
    return entry.className
  }

  /// The class of a required component, one of `known`.
  ///
  /// - Throws: `ModelFileError`.
  func requiredClass(of component: String, among known: [String], for reason: String) throws -> String {
    guard let name = try className(of: component) else {
      throw ModelFileError(path, "names no \(component): \(reason)")
    }
    guard known.contains(name) else {
      throw ModelFileError(
        path,
        "its \(component) is a \(name), which is not computed here; known are \(known.joined(separator: ", "))"
      )
    }
    return name
  }
}
