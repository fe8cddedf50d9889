import ArgumentParser
import Settings

/// An option that the command does not have. If a required option is missing, the argument parser reports only that,
/// although the option may just be misspelt.
struct UnknownOption {
  private let name: String
  private let nearest: String?

  /// nil if all options on a command line are known.
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

  /// Worded like the parser's message.
  var message: String { "Unknown option '\(name)'" + (nearest.map { ". Did you mean '\($0)'?" } ?? "") }
}

extension ParsableCommand {
  /// The name of the command.
  static var word: String { configuration.commandName ?? "\(self)".lowercased() }
}
