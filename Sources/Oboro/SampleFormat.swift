import ArgumentParser
import Datasets
import Files
import HDF5

/// The output format of `oboro sample`: pictures, or the values drawn by the model.
enum SampleFormat: String, CaseIterable, ExpressibleByArgument {
  case png
  case hdf5
  case numpy

  /// The file with all images; nil if each image has its own file.
  var fileName: String? {
    switch self {
    case .png: nil
    case .hdf5: "samples.h5"
    case .numpy: "samples.npy"
    }
  }

  /// The name of the array in an HDF5 file.
  private static let dataset = "images"

  /// Writes float32 [N, H, W, C], neither rounded nor clipped: pixels span -1 to 1, as in training; fields use the
  /// source's units and, in HDF5, its names.
  ///
  /// - Parameter field: the field of the images; nil for pictures.
  /// - Throws: `FileError`, `HDF5Error`.
  func write(_ images: [Float], shape: [Int], field: Field?, to path: String) throws {
    switch (self, field) {
    case (.png, _): preconditionFailure("pictures are files of their own")
    case (.numpy, let field?):
      let values = images.enumerated().map { place, value in
        Float(field.sourceValue(value, channel: place % shape[3]))
      }
      try NumPyFile.write(values, shape: shape, to: path)
    case (.numpy, nil): try NumPyFile.write(images, shape: shape, to: path)
    case (.hdf5, let field?): try FieldFile(field: field, values: images, shape: shape).write(to: path)
    case (.hdf5, nil):
      let file = try HDF5.File(creating: path)
      try file.root.createDataset(Self.dataset, of: Float.self, shape: shape).write(images)
      try file.close()
      try WholeFile.synchronize(path)
    }
  }
}
