import ArgumentParser

/// `oboro manual`: prints the text of Docs/Commands.md, generated from the commands' help.
struct Manual: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the manual of all commands, Markdown.", shouldDisplay: false)

  private static let columns = 100

  func run() throws {
    try print("# Commands\n")
    try print("<!-- Made by launch/manual from the command's own help; a test compares them. -->\n")
    try print(
      "Exit status: 0 done; 64 wrong usage or configuration; 65 bad data; 74 input or output failed; 75 stopped on"
    )
    try print("request after saving a checkpoint, the same command goes on; 1 anything else.")
    for command in OboroCommand.configuration.subcommands where command.configuration.shouldDisplay {
      try section(command, path: "oboro", depth: 2)
    }
  }

  private func section(_ command: any ParsableCommand.Type, path: String, depth: Int) throws {
    let name = "\(path) \(command.word)"
    try print("\n\(String(repeating: "#", count: depth)) \(name)\n")
    try print("```")
    let lines = OboroCommand.helpMessage(for: command, columns: Self.columns).split(
      separator: "\n", omittingEmptySubsequences: false)
    for line in lines { try print(String(line.reversed().drop { $0 == " " }.reversed())) }
    try print("```")
    for inner in command.configuration.subcommands { try section(inner, path: name, depth: depth + 1) }
  }
}
