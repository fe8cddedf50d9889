import Testing

/// Chunk limits: none, one that cuts the programs' counts in all ways, and the smallest.
private let chunkLimits: [[String]] = [[], ["7"], ["1"]]

@Suite struct CommunicationTests {
  @Test(arguments: worldSizes, chunkLimits) func collectives(ranks: Int, chunkLimit: [String]) throws {
    try expectPass("collectives", chunkLimit, ranks: ranks)
  }

  @Test(arguments: worldSizes, chunkLimits) func messages(ranks: Int, chunkLimit: [String]) throws {
    try expectPass("messages", chunkLimit, ranks: ranks)
  }

  @Test(arguments: worldSizes, chunkLimits) func requests(ranks: Int, chunkLimit: [String]) throws {
    try expectPass("requests", chunkLimit, ranks: ranks)
  }

  @Test(arguments: worldSizes) func messageErrors(ranks: Int) throws {
    try expectPass("message-errors", ranks: ranks)
  }

  @Test(arguments: worldSizes) func communicators(ranks: Int) throws {
    try expectPass("communicators", ranks: ranks)
  }

  @Test(arguments: worldSizes) func threads(ranks: Int) throws {
    try expectPass("threads", ranks: ranks)
  }
}
