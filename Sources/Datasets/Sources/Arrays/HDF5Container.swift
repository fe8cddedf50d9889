import HDF5
import Settings

/// An HDF5 file from another program.
struct HDF5Container: ArrayContainer {
  let path: String
  private let root: Group
  private let isMATLAB: Bool

  init(_ path: String, isMATLAB: Bool) throws {
    // Gives a better error if the file does not exist.
    _ = try ReadableFile(path)
    self.path = path
    self.isMATLAB = isMATLAB
    root = try mapping(path) { try File(opening: path).root }
  }

  func array(_ name: String?) throws -> any NumberArray {
    guard let name else {
      let names = try mapping(path) { try datasets() }
      throw DatasetError.badData(
        path, "which dataset holds the images? --images names it, of \(names.joined(separator: ", "))")
    }
    let dataset = try dataset(name)
    return try HDF5Array(
      dataset, path: path, scales: mapping(path) { try scales(of: dataset) }, isReversed: isMATLAB)
  }

  func labels(_ name: String?) throws -> (any NumberArray)? { try name.map { try array($0) } }

  func texts(_ name: String) throws -> [String] {
    let dataset = try dataset(name)
    guard dataset.elementType == .string, dataset.shape.count == 1 else {
      throw DatasetError.badData(
        "\(path), \(dataset.path)",
        "holds elements of type \(dataset.elementType) and the shape \(dataset.shape), expected text [N]")
    }
    return try mapping(path) { try dataset.readStrings() }
  }

  private func dataset(_ name: String) throws -> Dataset {
    try mapping(path) {
      guard try root.exists(name) else {
        let names = try datasets()
        let slash = name.hasPrefix("/") ? "" : "/"
        let meant = NearestKey.among(names, to: slash + name).map { " (\($0)?)" } ?? ""
        throw DatasetError.badData(
          "\(path), \(slash)\(name)", "not in the file\(meant); found there: \(names.joined(separator: ", "))"
        )
      }
      return try root.dataset(name)
    }
  }

  /// For each dimension, the dataset with its coordinates, if any.
  private func scales(of dataset: Dataset) throws -> [Dataset?] {
    var scales = [Dataset?](repeating: nil, count: dataset.shape.count)
    guard try dataset.attributes.exists("DIMENSION_LIST") else { return scales }
    for path in try datasets(limit: 1000) {
      let scale = try root.dataset(path)
      // netCDF-4 creates an empty scale for each dimension without coordinates.
      if try scale.attributes.exists("NAME"), case .text(let text)? = try scale.attributes.value("NAME"),
        text.hasPrefix("This is a netCDF dimension but not")
      {
        continue
      }
      for (path, dimension) in try scale.scaledDimensions()
      where path == dataset.path && scales.indices.contains(dimension) {
        scales[dimension] = scales[dimension] ?? scale
      }
    }
    return scales
  }

  /// Paths of the datasets, up to a limit.
  private func datasets(limit: Int = 40) throws -> [String] {
    var paths: [String] = []
    // Links may form cycles.
    func visit(_ group: Group, depth: Int) throws {
      for name in try group.children() where paths.count < limit {
        if let dataset = try? group.dataset(name) {
          paths.append(dataset.path)
        } else if depth < 8, let below = try? group.group(name) {
          try visit(below, depth: depth + 1)
        }
      }
    }
    try visit(root, depth: 0)
    return paths
  }
}

/// A dataset in an HDF5 file from another program, of any layout.
final class HDF5Array: NumberArray {
  let name: String
  let type: ElementType
  let shape: [Int]
  let isReversed: Bool
  let attributes: [String: FieldAttribute]
  let missingValues: [Double]

  var place: String { "\(path), \(dataset.path)" }

  private let dataset: Dataset
  private let scales: [Dataset?]
  private let path: String

  /// - Parameter scales: for each dimension, the dataset of its coordinates.
  init(_ dataset: Dataset, path: String, scales: [Dataset?], isReversed: Bool) throws {
    self.dataset = dataset
    self.scales = scales
    self.path = path
    self.isReversed = isReversed
    name = dataset.path.hasPrefix("/") ? String(dataset.path.dropFirst()) : dataset.path
    type = dataset.elementType
    shape = dataset.shape
    let place = "\(path), \(dataset.path)"
    guard type != .string else {
      throw DatasetError.badData(
        place, "holds text, expected numbers; labels are whole numbers, whose names are given by --classes")
    }
    guard type.byteCount != nil else {
      throw DatasetError.badData(place, "holds elements of type \(type), expected numbers")
    }
    (attributes, missingValues) = try mapping(path) {
      // Fill values are not data, and no memory is allocated just because a shape claims it.
      try dataset.requireStored()
      let attributes = try Self.attributes(dataset)
      var missing = ["_FillValue", "missing_value"].flatMap { attributes[$0]?.numbers ?? [] }
      // For bytes, any value may be valid.
      if dataset.elementType != .uint8, let fill = try dataset.fillValue(), fill != 0 { missing.append(fill) }
      return (attributes, missing.filter { !$0.isNaN })
    }
  }

  func read(into bytes: UnsafeMutableRawBufferPointer, offset: [Int], count: [Int]) throws {
    try mapping(path) { try dataset.read(into: bytes, offset: offset, count: count) }
  }

  func coordinates(axis: Int) throws -> (
    name: String, values: [Double], attributes: [String: FieldAttribute]
  )? {
    try mapping(path) {
      guard let coordinate = scales[axis] else { return nil }
      let attributes = try Self.attributes(coordinate)
      guard coordinate.shape == [shape[axis]], let size = coordinate.elementType.byteCount else { return nil }
      try coordinate.requireStored()
      let count = coordinate.count
      let values = try withUnsafeTemporaryAllocation(byteCount: count * size, alignment: 16) { bytes in
        try coordinate.read(into: bytes, offset: [0], count: [count])
        return (0..<count).map {
          coordinate.elementType.number(at: $0, in: UnsafeRawPointer(bytes.baseAddress!))
        }
      }
      guard values.allSatisfy(\.isFinite) else { return nil }
      return (String(coordinate.path.drop { $0 == "/" }), values, attributes)
    }
  }

  /// The attributes that describe the data, without HDF5's and netCDF's internal ones.
  private static func attributes(_ dataset: Dataset) throws -> [String: FieldAttribute] {
    var attributes: [String: FieldAttribute] = [:]
    let own: Set = ["CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"]
    for name in try dataset.attributes.names()
    where !own.contains(name) && !name.hasPrefix("_Netcdf4") && !name.hasPrefix("_NC") {
      if let value = try dataset.attributes.value(name) { attributes[name] = FieldAttribute(value) }
    }
    return attributes
  }
}

/// Runs `body`, converting HDF5 errors into dataset errors. The library's errors already name file and object.
private func mapping<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch let error as HDF5Error {
    let place = error.object.map { "\(error.file), \($0)" } ?? error.file
    let text = "\(error)"
    let problem = text.hasPrefix("\(place): ") ? String(text.dropFirst(place.count + 2)) : text
    throw DatasetError.badData(place, problem)
  }
}
