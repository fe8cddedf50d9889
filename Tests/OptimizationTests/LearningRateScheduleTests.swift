import Foundation
import Optimization
import Settings
import Testing

@Suite struct LearningRateScheduleTests {
  private func rates(_ decay: LearningRateSchedule.Decay, warmup: Int = 4, total: Int = 11) -> [Double] {
    let schedule = LearningRateSchedule(peak: 2, warmup: warmup, decay: decay, total: total)
    return (1...total).map { schedule.rate(at: $0) }
  }

  private func expect(_ found: [Double], _ expected: [Double]) {
    #expect(found.count == expected.count)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 }, "\(found)")
  }

  @Test func constantRises() {
    expect(rates(.constant), [0.5, 1, 1.5, 2, 2, 2, 2, 2, 2, 2, 2])
    expect(rates(.constant, warmup: 0, total: 3), [2, 2, 2])
  }

  /// Both end with their floor, at the last step of the run, and begin with the peak after the warm-up.
  @Test func cosineAndLinear() {
    let linear = rates(.linear(floor: 0.25))
    expect(Array(linear[3...]), (0...7).map { 0.5 + 1.5 * (1 - Double($0) / 7) })
    let cosine = rates(.cosine(floor: 0.1))
    expect(Array(cosine[3...]), (0...7).map { 0.2 + 0.9 * (1 + cos(Double.pi * Double($0) / 7)) })
    expect(Array(cosine[..<3]), [0.5, 1, 1.5])
    // Beyond the end the rate stays.
    let schedule = LearningRateSchedule(peak: 2, warmup: 4, decay: .linear(floor: 0.25), total: 11)
    #expect(schedule.rate(at: 100) == 0.5)
  }

  @Test func inverseSquareRoot() {
    let found = rates(.inverseSquareRoot(reference: 5), warmup: 2)
    expect(
      found,
      [1, 2, 2, 2, 2] + (6...11).map { 2 * (5 / Double($0)).squareRoot() })
  }

  @Test func steps() {
    expect(rates(.steps(at: [6, 9], factor: 0.5)), [0.5, 1, 1.5, 2, 2, 2, 1, 1, 1, 0.5, 0.5])
  }

  private func read(_ yaml: String) throws -> LearningRateSchedule {
    let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "optimizer")
    let schedule = try LearningRateSchedule(reader, peak: 1e-3, total: 100)
    try reader.finish()
    return schedule
  }

  @Test func settings() throws {
    #expect(try read("") == LearningRateSchedule(peak: 1e-3, total: 100))
    #expect(
      try read("{schedule: cosine, warmup_steps: 10, final_rate: 0.1}")
        == LearningRateSchedule(peak: 1e-3, warmup: 10, decay: .cosine(floor: 0.1), total: 100))
    #expect(
      try read("{schedule: inverse-square-root, warmup_steps: 7}").decay == .inverseSquareRoot(reference: 7))
    #expect(
      try read("{schedule: steps, milestones: [10, 20]}").decay == .steps(at: [10, 20], factor: 0.1))
  }

  @Test(arguments: [
    "", "{schedule: cosine, final_rate: 0.1}", "{schedule: steps, milestones: [10, 20]}",
    "{schedule: inverse-square-root, warmup_steps: 7}",
  ]) func resolvedSettingsReadBack(yaml: String) throws {
    let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "optimizer")
    let schedule = try LearningRateSchedule(reader, peak: 1, total: 100)
    let again = try SettingsReader(reader.resolved, path: "optimizer")
    #expect(try LearningRateSchedule(again, peak: 1, total: 100) == schedule)
  }

  @Test(arguments: [
    ("schedule: cosin", "schedule"), ("final_rate: 0.5", "final_rate"),
    ("schedule: inverse-square-root", "reference_steps"), ("schedule: steps", "milestones"),
    ("{schedule: steps, milestones: [20, 10]}", "milestones"),
    ("{schedule: steps, milestones: [10, 10]}", "milestones"),
    ("{schedule: linear, milestones: [10]}", "milestones"), ("warmup_steps: -1", "warmup_steps"),
  ]) func wrongSettingsNameTheirKey(yaml: String, key: String) {
    let error = #expect(throws: SettingsError.self) { try read(yaml) }
    #expect(error?.problems.first?.path == "optimizer.\(key)")
  }
}
