/// Samples that a dataset can be made from, independent of their storage.
public protocol SampleSource {
  /// The dataset's name.
  var name: String { get }
  /// The split of the dataset.
  var split: String { get }
  var count: Int { get }
  /// The fields of each sample.
  var fields: [Field] { get }
  /// The name of each label, starting with 0; empty if the samples have no labels.
  var classNames: [String] { get }
  /// How the samples were encoded from another dataset by an autoencoder; nil if they were not.
  var encoding: DatasetManifest.Encoding? { get }

  /// Fills every field of `sample` with sample `index`. Sequential access is fast.
  ///
  /// - Throws: `DatasetError` if the sample cannot be read.
  func read(_ index: Int, into sample: SampleSlot) throws
}

extension SampleSource {
  public var encoding: DatasetManifest.Encoding? { nil }
}

/// Samples that any number of threads may read concurrently.
public protocol ConcurrentSampleSource: SampleSource, Sendable {}

/// The memory of one sample, filled by a source; valid only during the call of `read`.
public struct SampleSlot {
  let block: SampleBlock
  let place: Int

  /// The bytes of field `field`, an index into the source's fields: its elements in order, little-endian.
  public func bytes(_ field: Int) -> UnsafeMutableRawBufferPointer {
    let size = block.sizes[field]
    return UnsafeMutableRawBufferPointer(rebasing: block.memory[field][place * size..<(place + 1) * size])
  }

  /// Sets the text field `field` to `strings`, one per element of its shape.
  public func set(_ strings: [String], field: Int) {
    precondition(block.fields[field].type == .text, "the field \(block.fields[field].name) is no text")
    precondition(
      strings.count == block.fields[field].elementCount,
      "\(strings.count) strings for the shape \(block.fields[field].shape)")
    block.texts[field][place] = strings
  }
}

extension UnsafeMutableRawBufferPointer {
  /// The same memory, as elements of the type that it holds.
  func assumingMemoryBound<Element>(to type: Element.Type) -> UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(
      start: baseAddress?.assumingMemoryBound(to: type), count: count / MemoryLayout<Element>.stride)
  }
}
