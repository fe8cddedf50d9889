import ArgumentParser
import Models
import Settings

/// The value of `--class`.
enum ClassChoice: ExpressibleByArgument {
  case one(NamedClass)
  case all

  init?(argument: String) {
    self = argument == "all" ? .all : .one(NamedClass(text: argument))
  }
}

/// A class named by the user: by its name or, if no class has that name, by its number.
struct NamedClass {
  let text: String

  /// - Parameter names: the names stored in the checkpoint, label 0 first.
  /// - Throws: `ModelError` if no class has this name, and it is not a number.
  func label(of names: [String]) throws -> Int {
    if let label = names.firstIndex(of: text) { return label }
    if let number = Int(text), number >= 0 { return number }
    guard !names.isEmpty else {
      throw ModelError(
        "--class \(text): the checkpoint knows no names of classes; give the number of one, or all")
    }
    let meant = NearestKey.among(names, to: text).map { " (\($0)?)" } ?? ""
    let shown = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
    throw ModelError("--class \(text): no class has this name\(meant); there are \(shown)")
  }
}
