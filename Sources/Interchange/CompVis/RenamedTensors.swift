import Layers
import Safetensors

/// The tensors of one part of a file under other names.
struct RenamedTensors: TensorSource {
  private let file: SafetensorsFile
  /// A tensor's place in the file, and its shape here.
  private let places: [String: (place: CompVisNames.Place, shape: [Int])]
  let names: [String]

  var path: String { file.path }

  /// - Parameters:
  ///   - prefix: the prefix of the part's names.
  ///   - others: prefixes of the part's tensors that are not used.
  ///   - place: maps the name of a tensor of the layout to its place in the file.
  init(
    _ file: SafetensorsFile, prefix: String, without others: [String], _ layout: ParameterLayout,
    _ place: (String) -> CompVisNames.Place
  ) throws {
    self.file = file
    var places: [String: (place: CompVisNames.Place, shape: [Int])] = [:]
    var used: Set<String> = []
    for tensor in layout.fileTensors {
      let stored = place(tensor.name)
      guard file.contains(stored.name) else { continue }
      used.insert(stored.name)
      var found = try file.shape(of: stored.name)
      if let part = stored.part, let rows = found.first, rows % part.count == 0 {
        found[0] = rows / part.count
      }
      // Linear layers of attention are 1x1 convolutions in the file.
      let isConvolution = tensor.shape.count == 2 && found == tensor.shape + [1, 1]
      places[tensor.name] = (stored, isConvolution ? tensor.shape : found)
    }
    for stored in file.names where stored.hasPrefix(prefix) && !used.contains(stored) {
      // Skips position indices, and the networks of the autoencoder's training loss.
      guard !stored.hasSuffix(".position_ids"), !stored.hasPrefix("\(prefix)loss."),
        !others.contains(where: stored.hasPrefix)
      else { continue }
      places[stored] = (CompVisNames.Place(stored), try file.shape(of: stored))
    }
    self.places = places
    names = places.keys.sorted()
  }

  func shape(of name: String) throws -> [Int] { try place(name).shape }

  func floats(_ name: String) throws -> [Float] {
    let place = try place(name).place
    let values = try file.floats(place.name)
    guard let part = place.part else { return values }
    let size = values.count / part.count
    return Array(values[part.index * size..<(part.index + 1) * size])
  }

  private func place(_ name: String) throws -> (place: CompVisNames.Place, shape: [Int]) {
    guard let place = places[name] else { throw ModelFileError(path, "lacks \(name)") }
    return place
  }
}
