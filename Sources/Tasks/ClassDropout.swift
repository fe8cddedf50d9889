import Datasets
import Models
import Randomness

extension ModelClasses {
  /// The classes that condition training on images with these labels: nil for unlabelled images and where the class is
  /// dropped.
  ///
  /// - Parameters:
  ///   - labels: the dataset's labels, -1 for none.
  ///   - samples: the images' positions in the step's batch, over all ranks.
  package func trainingLabels(
    of labels: some Collection<Int32>, seed: UInt64, step: Int, samples: Range<Int>
  ) -> [Int?] {
    precondition(labels.count == samples.count, "\(labels.count) labels for \(samples.count) images")
    return zip(labels, samples).map { label, sample in
      let stream = RandomStream(seed: seed, purpose: .labelDrop, step: step, sample: sample)
      if Double(stream.bits() >> 11) * 0x1p-53 < dropout { return nil }
      return self.label(label)
    }
  }

  /// The class that conditions the model for a label of the dataset, -1 for none.
  package func label(_ label: Int32) -> Int? {
    // A single class holds every image.
    if count == 1 { return 0 }
    return label < 0 ? nil : Int(label)
  }

  /// Throws unless the labels of a dataset are classes of the model.
  package func check(_ dataset: ShardedDataset) throws {
    guard count > 1 else { return }
    let names = dataset.classNames
    guard names.count <= count else {
      throw ModelError(
        "the dataset has \(names.count) classes, model.\(key) is \(count): set model.\(key) to \(names.count)"
      )
    }
    guard !names.isEmpty else {
      throw ModelError(
        "the dataset has no classes, model.\(key) is \(count): remove model.\(key), or set it to 1")
    }
  }
}
