/// Samples that a dataset can be made from, whatever they lie in.
public protocol SampleSource {
  /// The dataset's name.
  var name: String { get }
  /// Which part of the dataset this is.
  var split: String { get }
  var count: Int { get }
  /// What each sample holds.
  var fields: [Field] { get }
  /// The name of each label, 0 first; none if the samples have no labels.
  var classNames: [String] { get }
  /// How the samples were made of another dataset by an autoencoder; nil if they were not.
  var encoding: DatasetManifest.Encoding? { get }

  /// Fills every field of `sample` with those of sample `index`. Reading in order is fast.
  ///
  /// - Throws: `DatasetError` if the sample cannot be read.
  func read(_ index: Int, into sample: SampleSlot) throws
}

extension SampleSource {
  public var encoding: DatasetManifest.Encoding? { nil }
}

/// Samples that any number of threads may read at once.
public protocol ConcurrentSampleSource: SampleSource, Sendable {}

/// The memory of one sample, which a source fills; valid only during the call of `read`.
public struct SampleSlot {
  let block: SampleBlock
  let place: Int

  /// The bytes of field `field`, by its place among the source's fields: its elements in order, little-endian.
  public func bytes(_ field: Int) -> UnsafeMutableRawBufferPointer {
    let size = block.sizes[field]
    return UnsafeMutableRawBufferPointer(rebasing: block.memory[field][place * size..<(place + 1) * size])
  }

  /// Sets field `field`, which is text, to `strings`: as many as its shape has elements.
  public func set(_ strings: [String], field: Int) {
    precondition(block.fields[field].type == .text, "the field \(block.fields[field].name) is no text")
    precondition(
      strings.count == block.fields[field].elementCount,
      "\(strings.count) strings for the shape \(block.fields[field].shape)")
    block.texts[field][place] = strings
  }
}

extension UnsafeMutableRawBufferPointer {
  /// The same memory, as elements of a type that it is used for.
  func assumingMemoryBound<Element>(to type: Element.Type) -> UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(
      start: baseAddress?.assumingMemoryBound(to: type), count: count / MemoryLayout<Element>.stride)
  }
}
