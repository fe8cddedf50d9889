import Configuration
import Files
import Foundation
import Settings

/// The `manifest.json` of a checkpoint. It is written last and contains the size and digest of every file, as well as
/// its own digest. A checkpoint without a manifest, or that does not match it, is not valid.
public struct CheckpointManifest: Sendable, Equatable {
  public static let fileName = "manifest.json"
  /// The format version that this program writes, and the newest that it reads.
  public static let currentVersion = 1

  public struct File: Sendable, Equatable {
    public let name: String
    public let bytes: Int
    public let sha256: String

    package init(name: String, bytes: Int, sha256: String) {
      self.name = name
      self.bytes = bytes
      self.sha256 = sha256
    }
  }

  /// The number of completed steps.
  public let step: Int
  /// The number of images seen.
  public let images: Int
  /// [H, W, C] of the images.
  public let imageShape: [Int]
  /// The combined digest of the dataset's shards.
  public let datasetDigest: String
  /// The dataset's class names, label 0 first; empty if it has none.
  public let classNames: [String]
  /// The digest of the frozen model on which the checkpoint's weights are based; nil if it holds a complete model.
  public let baseDigest: String?
  /// The description of the image field from the dataset's manifest, if it holds something other than plain images; nil
  /// for plain images.
  public let field: SettingsNode?
  /// The fields that condition a denoiser in addition to the noisy image, as described by the dataset's manifest; empty
  /// if there are none.
  public let conditionFields: [SettingsNode]
  /// The latent space of a denoiser that generates latents; nil if it generates images.
  public let latents: LatentSpace?
  /// The text embedding space that a denoiser attends to; nil if it attends to none.
  public let texts: TextSpace?
  /// The digest of the weights of an autoencoder's perceptual loss; nil if it has none.
  public let perceptualDigest: String?
  /// The resolved configuration.
  public let configuration: SettingsNode
  public let files: [File]

  package init(
    step: Int, images: Int, imageShape: [Int], datasetDigest: String, classNames: [String] = [],
    baseDigest: String? = nil, field: SettingsNode? = nil, conditionFields: [SettingsNode] = [],
    latents: LatentSpace? = nil, texts: TextSpace? = nil, perceptualDigest: String? = nil,
    configuration: SettingsNode, files: [File]
  ) {
    self.step = step
    self.images = images
    self.imageShape = imageShape
    self.datasetDigest = datasetDigest
    self.classNames = classNames
    self.baseDigest = baseDigest
    self.field = field
    self.conditionFields = conditionFields
    self.latents = latents
    self.texts = texts
    self.perceptualDigest = perceptualDigest
    self.configuration = configuration
    self.files = files
  }

  private enum Key {
    static let version = "format_version"
    static let step = "step"
    static let images = "images"
    static let imageShape = "image_shape"
    static let datasetDigest = "dataset_sha256"
    static let classNames = "class_names"
    static let baseDigest = "base_sha256"
    static let field = "image_field"
    static let conditionFields = "condition_fields"
    static let perceptualDigest = "perceptual_sha256"
    static let configuration = "configuration"
    static let files = "files"
    static let fileName = "name"
    static let fileBytes = "bytes"
    static let fileDigest = "sha256"
    static let seal = "manifest_sha256"
  }

  /// Reads the manifest of the checkpoint in `directory`.
  ///
  /// - Throws: `CheckpointError` if it is missing, damaged or of a newer format; `FileError`.
  public init(checkpoint directory: String) throws {
    let path = "\(directory)/\(Self.fileName)"
    var status = stat()
    if stat(path, &status) != 0, errno == ENOENT {
      throw CheckpointError(directory, "has no \(Self.fileName): it is no checkpoint, or was not completed")
    }
    try self.init(of: try CheckpointError.naming(path) { try WholeFile.read(path) }, in: directory)
  }

  /// Parses `bytes` as the manifest of the checkpoint in `directory`.
  ///
  /// - Throws: `CheckpointError` if they are damaged or of a newer format.
  package init(of bytes: [UInt8], in directory: String) throws {
    let path = "\(directory)/\(Self.fileName)"
    do {
      let node = try SettingsNode(yaml: String(decoding: bytes, as: UTF8.self), source: path)
      let version = try SettingsReader(node).required(
        Key.version, as: Int.self, in: 1..., help: "of the checkpoint's format")
      // Check the version first: everything else may differ in a newer one.
      guard version <= Self.currentVersion else {
        throw CheckpointError(
          directory,
          "has format version \(version), but this program reads up to \(Self.currentVersion): use a newer Oboro"
        )
      }
      try self.init(node)
      guard files.contains(where: { $0.name == Checkpoint.modelFile }) else {
        throw CheckpointError(
          directory, "has a damaged manifest: it does not name \(Checkpoint.modelFile)")
      }
      let seal: String = try SettingsReader(node).required(Key.seal, help: "the digest of the manifest")
      guard ChecksummedText.isSealed(bytes, by: seal) else {
        throw CheckpointError(
          directory, "has a damaged manifest: it was altered, its \(Key.seal) is not that of its content")
      }
    } catch let error as SettingsError {
      throw CheckpointError(directory, "has a damaged manifest: \(error)")
    }
  }

  private init(_ node: SettingsNode) throws {
    let reader = try SettingsReader(node)
    step = try reader.required(Key.step, in: 0..., help: "steps done")
    images = try reader.required(Key.images, in: 0..., help: "images seen")
    imageShape = try reader.value(
      Key.imageShape, default: [1, 1, 1], in: 1..., count: 3...3, help: "[H, W, C]")
    datasetDigest = try reader.required(Key.datasetDigest, help: "the digest over the dataset's shards")
    // Absent from checkpoints of earlier versions.
    classNames = try reader.value(
      Key.classNames, default: [String](), help: "the names of the classes, label 0 first")
    baseDigest = try reader.value(
      Key.baseDigest, as: String.self, help: "the digest of the frozen model that the weights belong to")
    field = node[Key.field]
    conditionFields =
      if case .list(let fields)? = node[Key.conditionFields]?.content { fields } else { [] }
    latents = try LatentSpace(of: reader)
    texts = try TextSpace(of: reader)
    perceptualDigest = try reader.value(
      Key.perceptualDigest, as: String.self, help: "the digest of the weights that images are compared by")
    configuration = (node[Key.configuration] ?? .empty).withTodaysKeys
    guard case .list(let files)? = node[Key.files]?.content else {
      throw reader.invalid(Key.files, "is missing, or no list")
    }
    self.files = try files.map { node in
      let reader = try SettingsReader(node, path: Key.files)
      let name = try reader.required(Key.fileName, as: String.self, help: "the file's name")
      guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/") else {
        throw reader.invalid(
          Key.fileName, "expected the name of a file beside the manifest, found \"\(name)\"")
      }
      return File(
        name: name,
        bytes: try reader.required(Key.fileBytes, in: 0..., help: "its size"),
        sha256: try reader.required(Key.fileDigest, help: "its digest"))
    }
  }

  package var json: String {
    let files = files.map { file in
      [
        Key.fileName: SettingsNode(file.name), Key.fileBytes: SettingsNode(file.bytes),
        Key.fileDigest: SettingsNode(file.sha256),
      ]
        as SettingsNode
    }
    var node: SettingsNode = [
      Key.version: SettingsNode(Self.currentVersion),
      Key.step: SettingsNode(step),
      Key.images: SettingsNode(images),
      Key.imageShape: SettingsNode(imageShape),
      Key.datasetDigest: SettingsNode(datasetDigest),
      Key.classNames: SettingsNode(classNames),
    ]
    if let baseDigest { node = node.setting(Key.baseDigest, to: SettingsNode(baseDigest)) }
    if let field { node = node.setting(Key.field, to: field) }
    if !conditionFields.isEmpty {
      node = node.setting(Key.conditionFields, to: SettingsNode(.list(conditionFields)))
    }
    if let latents { node = node.setting(LatentSpace.key, to: latents.node) }
    if let texts { node = node.setting(TextSpace.key, to: texts.node) }
    if let perceptualDigest {
      node = node.setting(Key.perceptualDigest, to: SettingsNode(perceptualDigest))
    }
    node = node.setting(Key.configuration, to: configuration)
      .setting(Key.files, to: SettingsNode(.list(files)))
      .setting(Key.seal, to: SettingsNode(ChecksummedText.blank))
    return ChecksummedText.seal(node.indentedJSON, key: Key.seal)
  }
}
