import Configuration
import Foundation
import Testing

/// The recipes that come with the project.
@Suite struct RecipeTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(components: "..", "..", "configs").standardizedFileURL.path

  private static let recipes = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? [])
    .compactMap { $0 as? String }.filter { $0.hasSuffix(".yaml") }.sorted()

  @Test(arguments: recipes) func itIsRead(recipe: String) throws {
    let configuration = try TrainingConfiguration(file: "\(Self.folder)/\(recipe)")
    #expect(configuration.training.steps > 0)
  }

  @Test func thereAreSome() { #expect(Self.recipes.count > 10) }
}
