/// The argument parser takes `-1` for an option, and so reports for `--seed -1` that the value is missing. Joined to
/// the option, it is parsed as a value.
enum NegativeNumbers {
  /// `arguments` with each negative number joined to the preceding option: `--seed=-1`.
  static func joined(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var isOver = false
    for argument in arguments {
      if argument == "--" { isOver = true }
      if !isOver, isNegative(argument), let option = result.last, option.hasPrefix("--"),
        !option.contains("=")
      {
        result[result.count - 1] = "\(option)=\(argument)"
      } else {
        result.append(argument)
      }
    }
    return result
  }

  private static func isNegative(_ argument: String) -> Bool {
    argument.first == "-" && argument.count > 1 && Double(argument) != nil
      && argument.dropFirst().allSatisfy { $0.isASCII && ($0.isNumber || ".eE-+".contains($0)) }
  }
}
