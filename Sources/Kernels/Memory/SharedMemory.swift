import CProcessor
import Foundation

/// Memory that other processes of the same user on this host can look at, for as long as one of them does.
///
/// It is as fast as what `FloatMemory` gives: in large pages where it is large. A file in /dev/shm would have small ones,
/// and little room in many containers.
///
/// `@unchecked Sendable`: who writes and who reads is agreed between those who share it.
public final class SharedMemory: @unchecked Sendable {
  /// What another process finds it by.
  public struct Address: Equatable, Sendable {
    let process: Int
    let descriptor: Int
    /// The file's, by which a process of another container with the same numbers is told apart.
    let (device, file): (Int, Int)
    let byteCount: Int

    /// How many numbers an address is.
    public static let size = 5

    /// The address as numbers, to be sent.
    public var numbers: [Int] { [process, descriptor, device, file, byteCount] }

    /// - Parameter numbers: those of an address.
    public init(numbers: [Int]) {
      precondition(numbers.count == Self.size, "\(numbers.count) numbers are no address")
      (process, descriptor) = (numbers[0], numbers[1])
      (device, file) = (numbers[2], numbers[3])
      byteCount = numbers[4]
    }
  }

  /// What is as large or larger is in large pages.
  public static var leastLargeByteCount: Int { FloatMemory.hugePage }

  public let address: Address
  public let pointer: UnsafeMutableRawPointer
  private let mapping: Mapping
  private let descriptor: Int32

  /// What the system's tools show as its name.
  private static let label = "oboro"

  /// Zeros. nil where the system gives no such memory, or only in small pages what is large.
  public init?(byteCount: Int) {
    precondition(byteCount > 0, "\(byteCount) bytes")
    let isLarge = byteCount >= FloatMemory.hugePage
    let size =
      isLarge
      ? (byteCount + FloatMemory.hugePage - 1) / FloatMemory.hugePage * FloatMemory.hugePage : byteCount
    descriptor = oboro_create_memory_file(Self.label)
    guard descriptor >= 0 else { return nil }
    var status = stat()
    guard ftruncate(descriptor, size) == 0, fstat(descriptor, &status) == 0,
      let mapping = Mapping(of: descriptor, byteCount: size, protection: PROT_READ | PROT_WRITE)
    else {
      close(descriptor)
      return nil
    }
    self.mapping = mapping
    pointer = mapping.pointer
    address = Address(numbers: [
      Int(getpid()), Int(descriptor), Int(truncatingIfNeeded: status.st_dev),
      Int(truncatingIfNeeded: status.st_ino), size,
    ])
    guard isLarge else { return }
    // Only pages that are in use can be made large.
    for offset in stride(from: 0, to: size, by: FloatMemory.hugePage) {
      pointer.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
    guard oboro_make_pages_large(pointer, size) else { return nil }
  }

  deinit { close(descriptor) }

  /// Another process's memory, to be read.
  public final class View: @unchecked Sendable {
    public let pointer: UnsafeRawPointer
    private let mapping: Mapping

    /// nil if there is no such memory on this host, or this process may not look at it.
    public init?(_ address: Address) {
      let descriptor = open("/proc/\(address.process)/fd/\(address.descriptor)", O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return nil }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0, Int(truncatingIfNeeded: status.st_dev) == address.device,
        Int(truncatingIfNeeded: status.st_ino) == address.file, status.st_size == address.byteCount,
        let mapping = Mapping(of: descriptor, byteCount: address.byteCount, protection: PROT_READ)
      else { return nil }
      self.mapping = mapping
      pointer = UnsafeRawPointer(mapping.pointer)
    }

    /// How much of other processes' memory the system counts as this process's too, because it has looked there.
    public static var residentBytes: Int {
      guard let maps = FileHandle(forReadingAtPath: "/proc/self/smaps") else { return 0 }
      var text = Data()
      // It comes in pieces, and does not say how long it is.
      while let piece = try? maps.read(upToCount: 1 << 16), !piece.isEmpty { text += piece }
      var (isView, bytes) = (false, 0)
      for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
        let fields = line.split(separator: " ")
        if fields[0].contains("-") {
          // A mapping: addresses, rights, offset, device, inode, and the file if it is of one.
          isView = fields.count > 5 && fields[1] == "r--s" && fields[5] == "/memfd:\(SharedMemory.label)"
        } else if isView, fields[0] == "Rss:", let kibibytes = Int(fields[1]) {
          bytes += kibibytes * 1024
        }
      }
      return bytes
    }
  }

  /// A file in this process's address space, on a border between large pages.
  private final class Mapping {
    let pointer: UnsafeMutableRawPointer
    /// Addresses enough for a border to be among them.
    private let room: UnsafeMutableRawBufferPointer

    init?(of descriptor: Int32, byteCount: Int, protection: Int32) {
      let border = FloatMemory.hugePage
      let start = mmap(nil, byteCount + border, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      guard let start, start != MAP_FAILED else { return nil }
      room = UnsafeMutableRawBufferPointer(start: start, count: byteCount + border)
      pointer = start.alignedUp(toMultipleOf: border)
      guard mmap(pointer, byteCount, protection, MAP_SHARED | MAP_FIXED, descriptor, 0) == pointer else {
        return nil
      }
    }

    deinit { munmap(room.baseAddress, room.count) }
  }
}
