/// Natural sort order, independent of language: compares bytes, but treats runs of digits as numbers, so that `2` comes
/// before `10`. Paths are compared component by component.
enum NaturalOrder {
  /// Whether `a` comes before `b`: a strict total order.
  static func precedes(_ a: some RandomAccessCollection<UInt8>, _ b: some RandomAccessCollection<UInt8>)
    -> Bool
  {
    var (i, j) = (a.startIndex, b.startIndex)
    // Order by leading zeros (01 and 1), used if the rest of the name is equal.
    var tie: Bool?
    while i < a.endIndex && j < b.endIndex {
      let (x, y) = (a[i], b[j])
      if isDigit(x) && isDigit(y) {
        let (first, second) = (a[i...].prefix(while: isDigit), b[j...].prefix(while: isDigit))
        let (number, other) = (first.drop { $0 == zero }, second.drop { $0 == zero })
        if number.count != other.count { return number.count < other.count }
        if !number.elementsEqual(other) { return number.lexicographicallyPrecedes(other) }
        if first.count != second.count { tie = tie ?? (first.count < second.count) }
        (i, j) = (first.endIndex, second.endIndex)
      } else {
        if x == slash || y == slash {
          if x != y { return x == slash }
          if let tie { return tie }
        } else if x != y {
          return x < y
        }
        (i, j) = (a.index(after: i), b.index(after: j))
      }
    }
    if (i < a.endIndex) != (j < b.endIndex) { return j < b.endIndex }
    return tie ?? false
  }

  private static let (zero, nine, slash) = (UInt8(ascii: "0"), UInt8(ascii: "9"), UInt8(ascii: "/"))

  private static func isDigit(_ byte: UInt8) -> Bool { zero <= byte && byte <= nine }
}
