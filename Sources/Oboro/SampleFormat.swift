import ArgumentParser
import Files
import HDF5

/// What `oboro sample` writes of images: pictures, or their numbers as the model draws them.
enum SampleFormat: String, CaseIterable, ExpressibleByArgument {
  case png
  case hdf5
  case numpy

  /// The file with all images; nil where each has its own.
  var fileName: String? {
    switch self {
    case .png: nil
    case .hdf5: "samples.h5"
    case .numpy: "samples.npy"
    }
  }

  /// The name of the array in an HDF5 file.
  private static let dataset = "images"

  /// Writes float32 [N, H, W, C], neither rounded nor clipped: pixels span -1 to 1, as in training.
  ///
  /// - Throws: `FileError`, `HDF5Error`.
  func write(_ images: [Float], shape: [Int], to path: String) throws {
    switch self {
    case .png: preconditionFailure("pictures are files of their own")
    case .numpy: try NumPyFile.write(images, shape: shape, to: path)
    case .hdf5:
      let file = try HDF5.File(creating: path)
      try file.root.createDataset(Self.dataset, of: Float.self, shape: shape).write(images)
      try file.close()
      try WholeFile.synchronize(path)
    }
  }
}
