import CProcessor
import Foundation

/// Memory that other processes of the same user on this host can map for reading. It exists as long as any process maps
/// it.
///
/// It is as fast as memory from `FloatMemory`: large allocations use huge pages. A file in /dev/shm would have small
/// pages, and little space in many containers.
///
/// `@unchecked Sendable`: the processes and threads that share the memory synchronise their accesses themselves.
public final class SharedMemory: @unchecked Sendable {
  /// The address at which another process finds the memory.
  public struct Address: Equatable, Sendable {
    let process: Int
    let descriptor: Int
    /// The file's device and inode, which rule out processes of other containers with the same numbers.
    let (device, file): (Int, Int)
    let byteCount: Int

    /// The number of integers in an encoded address.
    public static let size = 5

    /// The address encoded as integers, for sending.
    public var numbers: [Int] { [process, descriptor, device, file, byteCount] }

    /// - Parameter numbers: an encoded address.
    public init(numbers: [Int]) {
      precondition(numbers.count == Self.size, "\(numbers.count) numbers are no address")
      (process, descriptor) = (numbers[0], numbers[1])
      (device, file) = (numbers[2], numbers[3])
      byteCount = numbers[4]
    }
  }

  /// Allocations of at least this size use huge pages.
  public static var leastLargeByteCount: Int { FloatMemory.hugePage }

  public let address: Address
  public let pointer: UnsafeMutableRawPointer
  private let mapping: Mapping
  private let descriptor: Int32

  /// The name shown by system tools.
  private static let label = "oboro"

  /// Allocates zeros; nil if the system does not support such memory, or has only small pages for a large allocation.
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
    // Only pages in use can be collapsed into huge ones.
    for offset in stride(from: 0, to: size, by: FloatMemory.hugePage) {
      pointer.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
    guard oboro_make_pages_large(pointer, size) else { return nil }
  }

  deinit { close(descriptor) }

  /// A read-only mapping of another process's memory.
  public final class View: @unchecked Sendable {
    public let pointer: UnsafeRawPointer
    private let mapping: Mapping

    /// nil if there is no such memory on this host, or this process has no access to it.
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

    /// The amount of other processes' memory that the system counts as resident in this process too, because it has
    /// been accessed here.
    public static var residentBytes: Int {
      guard let maps = FileHandle(forReadingAtPath: "/proc/self/smaps") else { return 0 }
      var text = Data()
      // The file has no known size and is read in pieces.
      while let piece = try? maps.read(upToCount: 1 << 16), !piece.isEmpty { text += piece }
      var (isView, bytes) = (false, 0)
      for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
        let fields = line.split(separator: " ")
        if fields[0].contains("-") {
          // A mapping: addresses, permissions, offset, device, inode, and the file if there is one.
          isView = fields.count > 5 && fields[1] == "r--s" && fields[5] == "/memfd:\(SharedMemory.label)"
        } else if isView, fields[0] == "Rss:", let kibibytes = Int(fields[1]) {
          bytes += kibibytes * 1024
        }
      }
      return bytes
    }
  }

  /// A file mapped into this process's address space, aligned to huge pages.
  private final class Mapping {
    let pointer: UnsafeMutableRawPointer
    /// A reservation large enough to contain an aligned range.
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
