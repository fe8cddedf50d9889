import ArgumentParser
import Settings

/// An option that the command in question does not have. Where a required one is missing, the argument parser says only
/// that, although it may just be misspelt.
struct UnknownOption {
  private let name: String
  private let nearest: String?

  /// nil if all options in a command line are known.
  init?(in arguments: [String]) {
    var command: any ParsableCommand.Type = OboroCommand.self
    for argument in arguments {
      guard let next = command.configuration.subcommands.first(where: { $0.word == argument }) else { break }
      command = next
    }
    let known = OboroCommand.helpMessage(for: command).matches(of: /--[a-z][a-z-]*/).map { String($0.output) }
    let options = arguments.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }
      .map { String($0.prefix { $0 != "=" }) }
    guard let name = options.first(where: { !known.contains($0) }) else { return nil }
    self.name = name
    nearest = NearestKey.among(known, to: name)
  }

  /// In the parser's own words.
  var message: String { "Unknown option '\(name)'" + (nearest.map { ". Did you mean '\($0)'?" } ?? "") }
}

extension ParsableCommand {
  /// What a command is called by.
  static var word: String { configuration.commandName ?? "\(self)".lowercased() }
}
