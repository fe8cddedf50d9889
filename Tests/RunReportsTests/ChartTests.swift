import RunReports
import Testing

@Suite struct ChartTests {
  private func chart(_ values: [Double], isLogarithmic: Bool = false) -> String? {
    Chart(
      title: "a < b",
      lines: [.init(name: "x", style: "first", points: values.enumerated().map { (Double($0), $1) })],
      isLogarithmic: isLogarithmic
    ).svg
  }

  @Test func nothingIsDrawnOfNothing() {
    #expect(chart([]) == nil)
    #expect(chart([.nan, .infinity]) == nil)
  }

  @Test(arguments: [[1.0], [0, 0, 0], [5, 5], [-3, 1e9], [1e-12, 2e-12], [.nan, 2, 3]])
  func whateverTheValuesAllPlacesAreNumbers(values: [Double]) throws {
    for isLogarithmic in [false, true] {
      let svg = try #require(chart(values, isLogarithmic: isLogarithmic))
      #expect(!svg.contains("nan") && !svg.contains("inf"), "\(svg)")
      #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>"))
    }
  }

  @Test func titlesAreEscaped() { #expect(chart([1, 2])?.contains("a &lt; b") == true) }

  @Test func aSpikeSurvivesThinning() {
    let points = (0..<10_000).map { (step: Double($0), value: $0 == 7777 ? 50.0 : $0 == 3333 ? -50.0 : 1) }
    let thinned = Chart.thinned(points)
    #expect(thinned.count <= 400)
    #expect(thinned.contains { $0.value == 50 } && thinned.contains { $0.value == -50 })
    #expect(zip(thinned, thinned.dropFirst()).allSatisfy { $0.step < $1.step })
  }

  @Test func aMeanBeginsWithTheFirstNumber() {
    let points = [.nan, 4, .infinity, 2].enumerated().map { (step: Double($0), value: $1) }
    #expect(Chart.smoothed(points).map(\.step) == [1, 3])
    #expect(Chart.smoothed(points).map(\.value) == [4, 2])
    let many = (0..<100).map { (step: Double($0), value: $0 == 0 ? 1.0 : 0) }
    #expect(Chart.smoothed(many).prefix(3).map(\.value) == [1, 0.5, 0.25])
  }

  @Test(arguments: [(0.0, 1.0), (0.0123, 0.0456), (900, 100_000), (-5, 5), (3, 3)])
  func someRoundNumbersStandAtAnAxis(least: Double, most: Double) {
    let axis = Axis(from: least, to: most)
    #expect((3...8).contains(axis.ticks.count), "\(axis.ticks)")
    #expect(axis.ticks.allSatisfy { $0 >= axis.low && $0 <= axis.high })
  }

  @Test func labelsAreShort() {
    #expect(
      [0, 0.25, 1234, 12_500, 3_000_000, 0.00002].map(Chart.label) == [
        "0", "0.25", "1234", "12.5k", "3M", "2e-05",
      ])
  }
}
