import FailureDetection
import TestSupport

/// Many ranks that train in lockstep, with their failure detectors, in one process: links deliver after some
/// milliseconds of virtual time. A step is a computation on each rank and an exchange that all wait for.
struct SimulatedCluster {
  enum Fault {
    /// SIGSTOP: nothing is done or sent any more; the links stay open.
    case stopped
    /// The process is gone: the links are closed.
    case vanished
    /// The detector goes on, the training does not: nothing is computed or read.
    case stuck
    /// The training goes on, too slowly.
    case slow
  }

  enum Event {
    case tick(Int)
    case open(Int, link: Int)
    case frame(to: Int, link: Int, Frame)
    /// The rank has computed its part of the step.
    case computed(Int, step: Int)
    case begin(Int, step: Int, Activity)
    case fault(Int, Fault)
    case resume(Int)
  }

  struct Rank {
    var activity = Activity.computing
    var step = 1
    var since = 0.0
    var isStopped = false
    var isGone = false
    /// When it got stuck.
    var stuck: Double?
    var isSlow = false
    var tick = 0.0
    /// What came while it was stopped.
    var held: [Event] = []
    var sentCount = 0
    var receivedCount = 0
  }

  struct Verdict {
    let time: Double
    let rank: Int
    let failure: Failure
  }

  let overlay: ChordalRing
  let timeout: Double
  private(set) var detectors: [FailureDetector]
  private(set) var ranks: [Rank]
  private(set) var now = 0.0
  private(set) var verdicts: [Verdict] = []
  private(set) var slow: [(time: Double, rank: Int, ranks: [Int])] = []
  /// The phase that follows an exchange, and how long it and computing take.
  var phases: (_ step: Int) -> (activity: Activity, seconds: Double)? = { _ in nil }
  var stepSeconds = 2.0
  /// Seconds that a frame takes, beyond the least.
  var jitter = 0.02
  /// The chance that a frame takes up to `spikeSeconds` more.
  var spikeChance = 0.0
  var spikeSeconds = 0.0

  private var generator = SeededGenerator(seed: 7)
  private var arrived = 0
  private var buckets: [[Event]]
  private var bucket = 0
  /// Of links, by rank and link: where the other end has it.
  private let ends: [[(rank: Int, link: Int)]]
  private static let resolution = 0.005

  init(_ count: Int, timeout: Double) {
    let overlay = ChordalRing(worldSize: count)
    self.overlay = overlay
    self.timeout = timeout
    detectors = (0..<count).map { FailureDetector(rank: $0, overlay: overlay, timeout: timeout, now: 0) }
    ranks = Array(repeating: Rank(), count: count)
    // Longer than anything that is planned ahead.
    buckets = Array(repeating: [], count: Int(8 * timeout / Self.resolution) + 1)
    let neighbours = detectors.map(\.neighbours)
    ends = neighbours.enumerated().map { rank, all in
      all.map { other in (other, neighbours[other].firstIndex(of: rank) ?? -1) }
    }
    for rank in 0..<count {
      for link in ends[rank].indices {
        plan(.open(rank, link: link), in: 0.1)
      }
      plan(.tick(rank), in: random(0.2))
      plan(.computed(rank, step: 1), in: 0.5 + random(0.5))
    }
  }

  mutating func inject(_ fault: Fault, on rank: Int, in seconds: Double) {
    plan(.fault(rank, fault), in: seconds)
  }

  mutating func resume(_ rank: Int, in seconds: Double) { plan(.resume(rank), in: seconds) }

  /// Runs until `end`, or until the run has failed.
  mutating func run(until end: Double) {
    while now < end && verdicts.isEmpty {
      let events = buckets[bucket]
      buckets[bucket].removeAll(keepingCapacity: true)
      for event in events { handle(event) }
      now += Self.resolution
      bucket = (bucket + 1) % buckets.count
    }
  }

  private mutating func random(_ limit: Double) -> Double { Double.random(in: 0..<limit, using: &generator) }

  private mutating func plan(_ event: Event, in seconds: Double) {
    let distance = max(1, Int((seconds / Self.resolution).rounded(.up)))
    precondition(distance < buckets.count, "\(seconds) s ahead is too far")
    buckets[(bucket + distance) % buckets.count].append(event)
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .tick(let rank):
      // Another tick may have been planned earlier since.
      guard ranks[rank].tick <= now + Self.resolution / 2 else { return }
      act(rank, event) { $0.advance(rank) }
    case .open(let rank, let link): detectors[rank].opened(link: link, now: now)
    case .frame(let rank, let link, let frame):
      act(rank, event) {
        $0.ranks[rank].receivedCount += 1
        $0.detectors[rank].received(frame, link: link, now: $0.now)
        if $0.detectors[rank].nextTime < $0.ranks[rank].tick { $0.planTick(rank) }
      }
    case .computed(let rank, let step): act(rank, event) { $0.arrive(rank, step) }
    case .begin(let rank, let step, let activity): act(rank, event) { $0.begin(rank, step, activity) }
    case .fault(let rank, let fault): inflict(fault, on: rank)
    case .resume(let rank):
      ranks[rank].isStopped = false
      let held = ranks[rank].held
      ranks[rank].held = []
      for event in held { handle(event) }
    }
  }

  /// What a rank does, unless it is stopped: then it does so later.
  private mutating func act(_ rank: Int, _ event: Event, _ body: (inout Self) -> Void) {
    if ranks[rank].isGone { return }
    if ranks[rank].isStopped { return ranks[rank].held.append(event) }
    body(&self)
  }

  // MARK: Detectors

  private mutating func planTick(_ rank: Int) {
    let wait = max(Self.resolution, detectors[rank].nextTime - now)
    ranks[rank].tick = now + wait
    plan(.tick(rank), in: wait)
  }

  private mutating func advance(_ rank: Int) {
    let own = ranks[rank]
    let outputs = detectors[rank].advance(
      to: now, activity: own.activity, step: own.step, since: own.since,
      idleSeconds: own.stuck.map { now - $0 } ?? 0)
    for output in outputs {
      switch output {
      case .send(let frame, let link):
        ranks[rank].sentCount += 1
        let end = ends[rank][link]
        let spike = spikeChance > 0 && random(1) < spikeChance ? random(spikeSeconds) : 0
        plan(.frame(to: end.rank, link: end.link, frame), in: 0.001 + random(jitter) + spike)
      case .slow(let all): slow.append((now, rank, all.map(\.rank)))
      case .failed(let failure): verdicts.append(Verdict(time: now, rank: rank, failure: failure))
      case .leave: ranks[rank].isGone = true
      }
    }
    planTick(rank)
  }

  // MARK: Training

  private mutating func begin(_ rank: Int, _ step: Int, _ activity: Activity) {
    guard ranks[rank].stuck == nil else { return }
    (ranks[rank].step, ranks[rank].activity, ranks[rank].since) = (step, activity, now)
    let factor = ranks[rank].isSlow ? 1000 : 1.0
    let seconds = (activity == .computing ? stepSeconds : 0) * (0.75 + random(0.5)) * factor
    if activity == .computing && !ranks[rank].isSlow { plan(.computed(rank, step: step), in: seconds) }
  }

  private mutating func arrive(_ rank: Int, _ step: Int) {
    guard ranks[rank].stuck == nil, !ranks[rank].isSlow else { return }
    (ranks[rank].activity, ranks[rank].since) = (.exchanging, now)
    arrived += 1
    guard arrived == ranks.count else { return }
    arrived = 0
    let phase = phases(step)
    for other in ranks.indices {
      let delay = random(0.01)
      if let phase { plan(.begin(other, step: step, phase.activity), in: delay) }
      plan(.begin(other, step: step + 1, .computing), in: delay + (phase?.seconds ?? 0) + random(0.05))
    }
  }

  private mutating func inflict(_ fault: Fault, on rank: Int) {
    switch fault {
    case .stopped: ranks[rank].isStopped = true
    case .vanished:
      ranks[rank].isGone = true
      for end in ends[rank] where !ranks[end.rank].isGone {
        detectors[end.rank].closed(link: end.link, now: now)
      }
    case .stuck:
      ranks[rank].stuck = now
      if ranks[rank].activity == .exchanging { arrived -= 1 }
      (ranks[rank].activity, ranks[rank].since) = (.reading, now)
    case .slow:
      ranks[rank].isSlow = true
      if ranks[rank].activity == .exchanging { arrived -= 1 }
      (ranks[rank].activity, ranks[rank].since) = (.computing, now)
    }
  }
}
