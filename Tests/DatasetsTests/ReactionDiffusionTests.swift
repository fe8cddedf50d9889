import Datasets
import Testing

@Suite struct ReactionDiffusionTests {
  private func simulation(
    size: Int = 12, steps: Int = 40, lead: Int = 0, seed: UInt64 = 1, split: Split = .train
  ) -> ReactionDiffusion {
    ReactionDiffusion(size: size, steps: steps, lead: lead, seed: seed, split: split)
  }

  @Test func samplesDependOnSeedSplitAndIndexAlone() {
    let values = simulation().values(3)
    #expect(values == simulation().values(3) && values.count == simulation().valueCount)
    #expect(values != simulation().values(4))
    #expect(values != simulation(seed: 2).values(3) && values != simulation(split: .test).values(3))
  }

  /// The state so many steps before is that of a shorter simulation.
  @Test func theEarlierStateIsOnTheWay() {
    let whole = simulation(lead: 10)
    #expect(whole.fields.map(\.name) == ["images", "scalars", "conditions"])
    let values = whole.values(0)
    let count = 12 * 12 * 2
    #expect(Array(values[..<count]) == Array(simulation().values(0)[..<count]))
    #expect(Array(values[(count + 2)...]) == Array(simulation(steps: 30).values(0)[..<count]))
  }

  /// One step by the equation as it stands, in double precision.
  @Test func aStepIsThatOfTheEquation() {
    let size = 12
    func concentrations(_ steps: Int) -> (u: [Double], v: [Double], feed: Double, kill: Double) {
      let simulation = simulation(size: size, steps: steps, lead: 0)
      let values = simulation.values(5)
      let fields = simulation.fields
      func restored(_ place: Int, _ field: Field, _ channel: Int) -> Double {
        field.normalization?.restored(Double(values[place]), channel: channel) ?? .nan
      }
      let points = 0..<size * size
      return (
        points.map { restored(2 * $0, fields[0], 0) }, points.map { restored(2 * $0 + 1, fields[0], 1) },
        restored(2 * size * size, fields[1], 0), restored(2 * size * size + 1, fields[1], 1)
      )
    }
    let (before, after) = (concentrations(3), concentrations(4))
    let spacing = 2.5 / 256
    func laplacian(_ values: [Double], _ y: Int, _ x: Int) -> Double {
      func at(_ y: Int, _ x: Int) -> Double { values[(y + size) % size * size + (x + size) % size] }
      return (at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1) - 4 * at(y, x)) / (spacing * spacing)
    }
    for y in 0..<size {
      for x in 0..<size {
        let (u, v) = (before.u[y * size + x], before.v[y * size + x])
        let nextU = u + 2e-5 * laplacian(before.u, y, x) - u * v * v + before.feed * (1 - u)
        let nextV =
          v + 1e-5 * laplacian(before.v, y, x) + u * v * v - (before.feed + before.kill) * v
        #expect(abs(after.u[y * size + x] - nextU) < 1e-6 && abs(after.v[y * size + x] - nextV) < 1e-6)
      }
    }
  }
}
