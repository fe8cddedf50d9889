import Files
import Foundation
import Pictures
import Synchronization

/// The pictures of a folder as images of one size.
///
/// A picture that cannot be read throws when it is read; see `DatasetWriter.writeReadable`.
public struct ImageFolderSource: ConcurrentImageSource {
  /// The form of the images.
  public struct Form: Sendable {
    /// Height and width; nil for those of the pictures, which must then be equal.
    public var size: (height: Int, width: Int)?
    /// 1 for grey, 3 for colour; nil for grey if all pictures are grey, otherwise colour.
    public var channels: Int?
    /// The background colour behind transparent pixels.
    public var background: PictureColour

    public init(
      size: (height: Int, width: Int)? = nil, channels: Int? = nil, background: PictureColour = .white
    ) {
      precondition(channels == nil || channels == 1 || channels == 3, "\(channels ?? 0) channels")
      precondition(size.map { $0.height > 0 && $0.width > 0 } ?? true, "a size of no pixels")
      self.size = size
      self.channels = channels
      self.background = background
    }
  }

  public let name: String
  public let split: String
  public let height: Int
  public let width: Int
  public let channels: Int
  public var count: Int { folder.files.count }
  public var classNames: [String] { folder.classNames }

  let folder: ImageFolder
  private let captions: FolderCaptions?
  private let background: PictureColour
  private let isFitted: Bool
  private let readCounts: ReadCounts

  /// Reads the pictures of `folder`. If `form` leaves anything unspecified, all headers are read first.
  ///
  /// - Parameters:
  ///   - captions: captions of the pictures, if any.
  ///   - progress: called periodically, on any thread, with the number of pictures inspected.
  /// - Throws: `DatasetError` if the form is unspecified and the pictures differ, or none has a valid header.
  public init(
    _ folder: ImageFolder, name: String, split: Split, form: Form = Form(),
    captions: FolderCaptions? = nil, threadCount: Int = 1,
    progress: (Int) -> Void = { _ in }
  ) throws {
    self.folder = folder
    self.captions = captions
    self.name = name
    self.split = split.rawValue
    background = form.background
    isFitted = form.size != nil
    readCounts = ReadCounts(folder.classNames.count)
    if let size = form.size, let channels = form.channels {
      (height, width, self.channels) = (size.height, size.width, channels)
      return
    }
    let headers = try Self.headers(folder, threadCount: threadCount, progress: progress)
    guard let first = headers.first else {
      let why = Result { try Self.header(folder.files[0]) }
      guard case .failure(let error) = why else {
        throw DatasetError.badData(folder.directory, "its pictures changed while they were read")
      }
      throw DatasetError.badData(
        folder.directory, "none of its \(folder.files.count) pictures can be read; the first: \(error)")
    }
    if form.size == nil,
      let other = headers.first(where: { $0.width != first.width || $0.height != first.height })
    {
      throw DatasetError.badData(
        folder.directory,
        "its pictures differ in size (height x width): \(first.path) is \(first.height) x \(first.width), \(other.path) "
          + "\(other.height) x \(other.width); bring all to one size with --size")
    }
    (height, width) = form.size ?? (first.height, first.width)
    let isGrey = background.isGrey && headers.allSatisfy(\.isGrey)
    channels = form.channels ?? (isGrey ? 1 : 3)
  }

  public var fields: [Field] {
    [.images(height: height, width: width, channels: channels), .labels]
      + (captions.map { [.captions($0.mostOfAPicture)] } ?? [])
  }

  public func read(_ index: Int, into sample: SampleSlot) throws {
    let label = try read(index, into: sample.bytes(0).assumingMemoryBound(to: UInt8.self))
    sample.bytes(1).storeBytes(of: label, as: Int32.self)
    if let captions {
      let texts = captions.texts[index]
      let missing = captions.mostOfAPicture - texts.count
      sample.set(texts + [String](repeating: "", count: missing), field: 2)
    }
  }

  public func read(_ index: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) throws -> Int32 {
    let file = folder.files[index]
    do {
      try Self.requireReadable(file)
      var picture = try ImageFile(file.path).decode(channels: channels, over: background)
      if isFitted {
        picture = picture.fitted(width: width, height: height)
      } else if picture.width != width || picture.height != height {
        throw DatasetError.badData("\(file.path)", "changed its size while the pictures were read")
      }
      _ = pixels.update(fromContentsOf: picture.samples)
      readCounts.add(file.label)
      return file.label
    } catch {
      throw Self.datasetError(error)
    }
  }

  /// Classes without any picture read so far, with their number of files.
  public var classesWithoutImages: [(name: String, label: Int, count: Int)] {
    let counts = readCounts.all
    return classNames.indices.filter { counts[$0] == 0 }.map { label in
      (classNames[label], label, folder.files.count { $0.label == label })
    }
  }

  private static func requireReadable(_ file: ImageFolder.File) throws {
    if let problem = file.problem { throw DatasetError.badData("\(file.path)", problem) }
  }

  private static func header(_ file: ImageFolder.File) throws -> Header {
    try requireReadable(file)
    let header = try ImageFile.header(of: file.path)
    return Header(path: "\(file.path)", width: header.width, height: header.height, isGrey: header.isGrey)
  }

  private struct Header {
    let path: String
    let width: Int
    let height: Int
    let isGrey: Bool
  }

  /// The headers of all files that have one, in order.
  private static func headers(
    _ folder: ImageFolder, threadCount: Int, progress: (Int) -> Void
  ) throws -> [Header] {
    let done = Atomic(0)
    var headers = [Result<Header, any Error>?](repeating: nil, count: folder.files.count)
    headers.withUnsafeMutableBufferPointer { headers in
      inParallel(folder.files.count, threadCount: threadCount) { index in
        headers[index] = Result { try header(folder.files[index]) }
        let count = done.add(1, ordering: .relaxed).newValue
        if count % 100 == 0 || count == folder.files.count { progress(count) }
      }
    }
    return try headers.compactMap { header in
      do {
        return try header?.get()
      } catch {
        // Unreadable pictures are reported when they are read; a failing disk immediately.
        let error = datasetError(error)
        if error.kind == .badData { return nil }
        throw error
      }
    }
  }

  /// Failures to open a file concern only that file; a failing disk concerns all.
  private static func datasetError(_ error: any Error) -> DatasetError {
    switch error {
    case let error as DatasetError: return error
    case let error as PictureError: return .badData(error.path, error.reason)
    case let error as FileError:
      let isItsOwn = [ENOENT, ENOTDIR, EACCES, EPERM, EISDIR, ELOOP, ENAMETOOLONG].contains(error.code)
      let failure = DatasetError(error)
      return isItsOwn ? .badData(failure.path, failure.problem) : failure
    default: return .badData("\(error)", "cannot be read")
    }
  }
}

/// Number of images read of each class, on any thread.
private final class ReadCounts: Sendable {
  private let counts: Mutex<[Int]>

  init(_ classCount: Int) { counts = Mutex([Int](repeating: 0, count: classCount)) }

  func add(_ label: Int32) {
    if label >= 0 { counts.withLock { $0[Int(label)] += 1 } }
  }

  var all: [Int] { counts.withLock { $0 } }
}
