import Testing

/// What ranks send to each other; the programs also cut messages into chunks.
@Suite struct CommunicationTests {
  @Test(
    arguments: worldSizes,
    ["collectives", "messages", "message-errors", "requests", "communicators", "threads"])
  func program(ranks: Int, name: String) throws {
    try expectPass(name, ranks: ranks)
  }
}
