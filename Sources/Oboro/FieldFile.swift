import Datasets
import Files
import HDF5

/// Drawn fields in an HDF5 file: each variable of the source under its name, in its units, with its attributes.
/// Dimensions are scales with coordinates, as in netCDF-4, so that xarray can read the file.
struct FieldFile {
  let field: Field
  /// [N, H, W, C], as drawn by the model.
  let values: [Float]
  /// N, H, W, C.
  let shape: [Int]

  private static let dimensions = ["sample", "row", "column"]

  /// - Throws: `HDF5Error`, `FileError`.
  func write(to path: String) throws {
    let file = try HDF5.File(creating: path)
    let scales = try writeScales(to: file.root)
    var first = 0
    for variable in variables {
      try write(variable, channels: first..<first + variable.channels, to: file.root, scales: scales)
      first += variable.channels
    }
    try file.close()
    try WholeFile.synchronize(path)
  }

  private var variables: [Field.Variable] {
    field.variables ?? [Field.Variable(name: field.name, channels: shape[3])]
  }

  /// The scales of samples, rows and columns: coordinates of the source, or numbers from 0.
  private func writeScales(to root: Group) throws -> [Dataset] {
    try (0..<3).map { axis in
      let known = field.coordinates?.first { $0.axis == axis - 1 }
      let name = Self.free(known?.name ?? Self.dimensions[axis], among: variables.map(\.name))
      let values = known?.values ?? (0..<shape[axis]).map(Double.init)
      let scale = try root.createDataset(name, of: Double.self, shape: [shape[axis]])
      try scale.write(values)
      try scale.makeScale(named: name)
      try known.map { try write($0.attributes, to: scale.attributes) }
      return scale
    }
  }

  /// `name`, or the next variation that is not taken.
  private static func free(_ name: String, among taken: [String]) -> String {
    taken.contains(name) ? free("\(name)_", among: taken) : name
  }

  private func write(
    _ variable: Field.Variable, channels: Range<Int>, to root: Group, scales: [Dataset]
  ) throws {
    let last = channels.count == 1 ? [] : [try channelScale(of: variable, in: root)]
    let extents = shape[..<3] + (channels.count == 1 ? [] : [channels.count])
    let name = String(variable.name.drop { $0 == "/" })
    let dataset: Dataset
    if needsDouble(channels) {
      dataset = try root.createDataset(name, of: Double.self, shape: Array(extents))
      try dataset.write(restored(channels) { $0 })
    } else {
      dataset = try root.createDataset(name, of: Float.self, shape: Array(extents))
      try dataset.write(restored(channels) { Float($0) })
    }
    try dataset.attach(scales + last)
    try write(variable.attributes, to: dataset.attributes)
  }

  /// The scale of the last dimension of a variable.
  private func channelScale(of variable: Field.Variable, in root: Group) throws -> Dataset {
    let name = "\(variable.name.drop { $0 == "/" })_channel"
    let known = variables.count == 1 ? field.coordinates?.first { $0.axis == 2 } : nil
    let scale = try root.createDataset(known?.name ?? name, of: Double.self, shape: [variable.channels])
    try scale.write(known?.values ?? (0..<variable.channels).map(Double.init))
    try scale.makeScale(named: known?.name ?? name)
    try known.map { try write($0.attributes, to: scale.attributes) }
    return scale
  }

  /// The values of some channels, in the source's units.
  private func restored<Element>(_ channels: Range<Int>, _ convert: (Double) -> Element) -> [Element] {
    stride(from: 0, to: values.count, by: shape[3]).flatMap { pixel in
      channels.map { channel in convert(field.sourceValue(values[pixel + channel], channel: channel)) }
    }
  }

  /// Whether float32 is too coarse for the differences between a channel's values.
  private func needsDouble(_ channels: Range<Int>) -> Bool {
    guard let normalization = field.normalization else { return false }
    return channels.contains { channel in
      let offset = Float(normalization.offset[channel])
      return normalization.scale[channel] < Double(offset.ulp) * Double(1 << 12)
    }
  }

  private func write(_ attributes: [String: FieldAttribute], to owner: Attributes) throws {
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) where !Self.reserved.contains(name) {
      switch value {
      case .text(let text): try owner.write(name, text)
      case .texts(let texts): try owner.write(name, texts)
      case .number(let number): try owner.write(name, number)
      case .numbers(let numbers): try owner.write(name, numbers)
      }
    }
  }

  /// Attributes owned by the file format, and those that described the packing of the source's values.
  private static let reserved: Set = [
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_FillValue",
    "missing_value", "scale_factor", "add_offset", "valid_range", "valid_min", "valid_max",
  ]
}
