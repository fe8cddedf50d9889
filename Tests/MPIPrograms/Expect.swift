import MPI

/// An error of a program's own.
struct Failure: Error, CustomStringConvertible {
  let description: String
  var exitStatus: Int32 = 70
}

/// - Throws: `Failure` unless `condition` holds.
func expect(
  _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) throws {
  guard condition else { throw Failure(description: "\(file):\(line): \(message())") }
}

/// - Throws: `Failure` unless `actual` equals `expected`.
func expect<T: Equatable>(
  _ actual: T, equals expected: T, _ what: @autoclosure () -> String = "value",
  file: StaticString = #fileID, line: UInt = #line
) throws {
  try expect(
    actual == expected, "\(what()) is \(actual), expected \(expected)", file: file, line: line)
}

/// The error of type `E` that `body` throws.
/// - Throws: `Failure` when it throws none or another.
func expectError<E: Error>(
  _ type: E.Type, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Void
) throws -> E {
  do {
    try body()
  } catch let error as E {
    return error
  } catch {
    throw Failure(description: "\(file):\(line): threw \(error), expected \(type)")
  }
  throw Failure(description: "\(file):\(line): threw nothing, expected \(type)")
}

/// Element types that the programs can make of small numbers.
typealias TestElement = MPIDatatype & Numeric & Comparable

/// `count` elements that differ between ranks, small enough for a sum over 8 ranks to fit in 8 bits.
func pattern<T: TestElement>(_ type: T.Type = T.self, rank: Int, count: Int) -> [T] {
  (0..<count).map { element((rank * 7 + $0 * 3) % 13) }
}

func element<T: TestElement>(_ number: Int) -> T {
  guard let value = T(exactly: number) else { preconditionFailure("\(number) is no \(T.self)") }
  return value
}
