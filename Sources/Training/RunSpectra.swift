import Datasets
import Evaluation

/// The power spectra of the fields of a run's dataset, for comparison with those of samples.
struct RunSpectra {
  private let field: Field
  /// Spectra of each channel, in the model's units.
  private let data: [[Double]]

  /// Number of dataset samples used.
  private static let samples = 256

  /// nil for ordinary pictures.
  ///
  /// - Throws: `DatasetError`.
  init?(_ dataset: ShardedDataset) throws {
    guard let field = dataset.manifest.field(.image), field.isPlotted else { return nil }
    self.field = field
    let count = min(Self.samples, dataset.count)
    // Spread over the dataset, which may be sorted.
    let batch = try dataset.batch(
      (0..<count).map { $0 * dataset.count / count }, fields: [FieldRequest(field.name)])
    data = PowerSpectrum.radial(batch.images, shape: field.shape)
  }

  /// - Parameter samples: [n, H, W, C], in the model's units.
  func spectra(of samples: [Float]) -> FieldSpectra {
    let own = PowerSpectrum.radial(samples, shape: field.shape)
    return FieldSpectra(
      zip(own, data).enumerated().map { channel, spectra in
        let scale = field.normalization?.scale[channel] ?? 1
        func inUnits(_ values: [Double]) -> [Double] { values.map { $0 * scale * scale } }
        return .init(
          name: field.channelNames[channel], samples: inUnits(spectra.0), data: inUnits(spectra.1))
      })
  }
}
