import Testing
import Training

@Suite struct StragglerTests {
  private func times(_ computing: Double, data: Double = 0) -> RankTimes {
    RankTimes(computing: computing, dataWait: data, communicationWait: 0)
  }

  /// What is found in ten steps.
  private func judge(_ watch: inout StragglerDetector, _ times: [RankTimes], stepSeconds: Double) -> String? {
    for _ in 0..<9 { #expect(watch.add(times, stepSeconds: stepSeconds, isDue: false) == nil) }
    return watch.add(times, stepSeconds: stepSeconds, isDue: true).map { found in
      found.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " ")
    }
  }

  @Test func theSlowestRankIsNamedOnce() {
    var watch = StragglerDetector(share: 0.1, hosts: ["a", "b", "c", "d"])
    let slow = [times(1), times(1.1), times(1, data: 0.5), times(1)]
    #expect(
      judge(&watch, slow, stepSeconds: 2)
        == "computing_ms=1000 costs=25% data_wait_ms=500 host=c others_ms=1000 rank=2")
    #expect(judge(&watch, slow, stepSeconds: 2) == nil)
    // Another one is news, and so is the same one after it had recovered.
    #expect(
      judge(&watch, [times(2), times(1), times(1), times(1)], stepSeconds: 2)?.contains("rank=0") == true)
    #expect(judge(&watch, [times(1), times(1), times(1), times(1)], stepSeconds: 2) == nil)
    #expect(judge(&watch, slow, stepSeconds: 2)?.contains("rank=2") == true)
  }

  @Test func whatCostsLittleIsNotSaid() {
    var watch = StragglerDetector(share: 0.3, hosts: ["a", "b"])
    #expect(judge(&watch, [times(1), times(1.25)], stepSeconds: 1.3) == nil)
    #expect(judge(&watch, [times(1), times(1.5)], stepSeconds: 1.5) != nil)
    var alone = StragglerDetector(share: 0, hosts: ["a"])
    #expect(judge(&alone, [times(1)], stepSeconds: 1) == nil)
  }

  /// One slow step is no slow rank.
  @Test func fewStepsAreNotJudged() {
    var watch = StragglerDetector(share: 0.1, hosts: ["a", "b"])
    for _ in 0..<9 {
      #expect(watch.add([times(1), times(9)], stepSeconds: 9, isDue: true) == nil)
    }
    #expect(watch.add([times(1), times(9)], stepSeconds: 9, isDue: true) != nil)
  }
}
