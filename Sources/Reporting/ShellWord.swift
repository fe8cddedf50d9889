extension String {
  /// The text as one word of a shell's command line: as it is if no character means something to a shell, otherwise in
  /// single quotes.
  public var shellWord: String {
    let isPlain = !isEmpty && unicodeScalars.allSatisfy(Self.plainCharacters.contains)
    return isPlain ? self : "'\(replacing("'", with: #"'\''"#))'"
  }

  private static let plainCharacters = Set(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+@%-".unicodeScalars)
}
