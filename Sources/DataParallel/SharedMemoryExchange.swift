import MPI

/// An exchange between ranks that look at each other's memory: each says that its part is there, reads the others', and
/// says that it has.
final class SharedMemoryExchange {
  /// The others' memories, in their order.
  let memories: [UnsafePointer<Float>]
  private let partners: [Int]
  private let communicator: Communicator
  private let tag: Int
  private var invitations: [Request] = []
  private var others: [Request] = []

  /// Says that this rank's part is there.
  init(_ partners: [Int], memories: [UnsafePointer<Float>], over communicator: Communicator, tag: Int) throws
  {
    self.partners = partners
    self.memories = memories
    self.communicator = communicator
    self.tag = tag
    invitations = try listen()
    try say()
  }

  /// Whether the others' parts are there.
  func isOpen() throws -> Bool { try invitations.complete() }

  /// Says that this rank has read.
  func leave() throws {
    others += try listen()
    try say()
  }

  /// Of one that this rank has left: whether the others have read what they wanted.
  func isOver() throws -> Bool { try others.complete() }

  private func say() throws {
    others += try partners.map { try communicator.immediateSend(Self.nothing, to: $0, tag: tag) }
  }

  private func listen() throws -> [Request] {
    try partners.map { try communicator.immediateReceive(into: Self.nowhere, from: $0, tag: tag) }
  }

  private static var nothing: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: nil, count: 0) }
  private static var nowhere: UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(start: nil, count: 0)
  }
}
