import Kernels
import Testing

/// That other processes see it too is what `GradientExchangeTests` show.
@Suite struct SharedMemoryTests {
  @Test(arguments: [4, 64, 5000, 2 << 20, (5 << 20) + 4])
  func viewShowsWhatIsWritten(byteCount: Int) throws {
    let memory = try #require(SharedMemory(byteCount: byteCount))
    let view = try #require(SharedMemory.View(SharedMemory.Address(numbers: memory.address.numbers)))
    #expect((0..<byteCount).allSatisfy { view.pointer.load(fromByteOffset: $0, as: UInt8.self) == 0 })
    for offset in [0, byteCount / 2, byteCount - 1] {
      memory.pointer.storeBytes(of: UInt8(7), toByteOffset: offset, as: UInt8.self)
      #expect(view.pointer.load(fromByteOffset: offset, as: UInt8.self) == 7)
    }
    withExtendedLifetime(memory) {}
  }

  @Test func viewLastsLongerThanTheMemory() throws {
    var memory = SharedMemory(byteCount: 4096)
    memory?.pointer.storeBytes(of: 42, as: Int.self)
    let address = try #require(memory?.address)
    let view = try #require(SharedMemory.View(address))
    memory = nil
    #expect(view.pointer.load(as: Int.self) == 42)
    #expect(SharedMemory.View(address) == nil)
  }

  /// A process of another container may have the number that another one is looked for by, and a file of its own there.
  @Test(arguments: 0..<SharedMemory.Address.size)
  func otherAddressesAreNoMemory(number: Int) throws {
    let memory = try #require(SharedMemory(byteCount: 4096))
    var numbers = memory.address.numbers
    numbers[number] += 1 << 20
    #expect(SharedMemory.View(SharedMemory.Address(numbers: numbers)) == nil)
    withExtendedLifetime(memory) {}
  }

  @Test func whatIsSeenIsCounted() throws {
    let memory = try #require(SharedMemory(byteCount: 8 << 20))
    let view = try #require(SharedMemory.View(memory.address))
    let before = SharedMemory.View.residentBytes
    var sum = 0
    for offset in stride(from: 0, to: 8 << 20, by: 4096) {
      sum += Int(view.pointer.load(fromByteOffset: offset, as: UInt8.self))
    }
    #expect(sum == 0)
    // Other tests look at theirs meanwhile.
    let seen = SharedMemory.View.residentBytes - before
    #expect(seen >= 2 << 20 && seen <= 16 << 20)
    withExtendedLifetime((memory, view)) {}
  }
}
