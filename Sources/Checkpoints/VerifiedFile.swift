import Files
import Foundation
import HDF5
import Tensors

/// A checkpoint file in memory, read once and verified against the digest in the manifest.
///
/// libhdf5 opens this memory, so that it only sees verified bytes and nothing is read twice.
final class VerifiedFile {
  let path: String
  private let bytes: UnsafeMutableRawBufferPointer
  private let file: HDF5.File
  /// The tensors by their groups and names.
  private(set) var tensors: [String: [String: HDF5.Dataset]] = [:]

  /// The names of all tensors, including the group: `model/downs.0.weight`.
  var names: [String] { tensors.flatMap { group, content in content.keys.map { "\(group)/\($0)" } }.sorted() }

  private static let pieceSize = 1 << 22

  /// Reads the file described by `entry` from `directory`.
  ///
  /// - Throws: `CheckpointError`; `FileError` if memory for it cannot be allocated.
  init(_ entry: CheckpointManifest.File, in directory: String) throws {
    let path = "\(directory)/\(entry.name)"
    self.path = path
    let size = max(entry.bytes, 1)
    let mapping = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let start = mapping, start != MAP_FAILED else {
      throw FileError("take memory for", path, code: ENOMEM)
    }
    bytes = UnsafeMutableRawBufferPointer(start: start, count: entry.bytes)
    do {
      try Self.read(path, into: bytes, expecting: entry)
      do {
        file = try HDF5.File(bytes: bytes, path: path)
        for group in try file.root.children() {
          let content = try file.root.group(group)
          for name in try content.children() {
            tensors[group, default: [:]][name] = try content.dataset(name)
          }
        }
      } catch let error as HDF5Error {
        throw CheckpointError(path, "is not what a checkpoint holds: \(error)")
      }
    } catch {
      munmap(start, size)
      throw error
    }
  }

  deinit {
    try? file.close()
    munmap(bytes.baseAddress, max(bytes.count, 1))
  }

  private static func read(
    _ path: String, into bytes: UnsafeMutableRawBufferPointer, expecting entry: CheckpointManifest.File
  ) throws {
    let digest = try CheckpointError.naming(path) {
      let file = try FileDescriptor(path, O_RDONLY)
      let stream = SHA256.Stream()
      var done = 0
      while done < bytes.count {
        let piece = UnsafeMutableRawBufferPointer(
          rebasing: bytes[done..<min(done + pieceSize, bytes.count)])
        let count = try file.read(into: piece, at: done)
        stream.append(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        done += count
        if count < piece.count {
          throw CheckpointError(path, "has \(done) bytes, its manifest says \(entry.bytes)")
        }
      }
      return stream.finish()
    }
    guard digest == entry.sha256 else { throw .altered(path) }
  }

  /// Copies the values of `parameter` in `group` to memory that starts at `start` of the flat buffer.
  ///
  /// - Throws: `CheckpointError` if a tensor cannot be read.
  func `import`(
    _ parameter: Parameter, of group: String, to flat: UnsafeMutablePointer<Float>, startingAt start: Int
  ) throws {
    for tensor in parameter.fileTensors { try self.import(tensor, of: group, to: flat, startingAt: start) }
  }

  private func `import`(
    _ tensor: FileTensor, of group: String, to flat: UnsafeMutablePointer<Float>, startingAt start: Int
  ) throws {
    guard let dataset = tensors[group]?[tensor.name] else {
      preconditionFailure("\(path) has no \(group)/\(tensor.name)")
    }
    do {
      if let offset = try dataset.offset(), offset % MemoryLayout<Float>.alignment == 0,
        dataset.elementType == .float32, offset + tensor.count * MemoryLayout<Float>.size <= bytes.count,
        let values = bytes.baseAddress?.advanced(by: offset)
      {
        // The values are stored contiguously.
        values.withMemoryRebound(to: Float.self, capacity: tensor.count) {
          tensor.import(from: $0, to: flat, startingAt: start)
        }
      } else {
        tensor.import(from: try dataset.read(as: Float.self), to: flat, startingAt: start)
      }
    } catch let error as HDF5Error {
      throw CheckpointError(path, "is not what a checkpoint holds: \(error)")
    }
  }
}

extension Error where Self == CheckpointError {
  static func altered(_ path: String) -> Self {
    CheckpointError(path, "was altered: its SHA-256 is not that of its manifest")
  }
}
