import Randomness

/// Patterns of a reaction-diffusion system, see `GrayScott`. Sample i, with its rates and initial squares, depends only
/// on the seed, the split and i.
public struct ReactionDiffusion: Sendable {
  /// Points along each side.
  public let size: Int
  /// Time steps up to the final state.
  public let steps: Int
  /// Number of steps before it at which an earlier state is stored, for forecasting; 0 stores none.
  public let lead: Int
  private let seed: UInt64
  private let splitNumber: Int

  /// F and k, in ranges where patterns persist.
  private static let feed = 0.03...0.042
  private static let kill = 0.059...0.0618
  private static let squares = 8
  private static let noise = 0.01

  /// - Parameter split: train and test have different samples.
  public init(size: Int, steps: Int, lead: Int, seed: UInt64, split: Split) {
    precondition(
      size >= 8 && steps > 0 && (0...steps).contains(lead), "size \(size), steps \(steps), lead \(lead)")
    self.size = size
    self.steps = steps
    self.lead = lead
    self.seed = seed
    splitNumber = split == .train ? 0 : 1
  }

  /// The fields of a sample: both concentrations, F and k, and the earlier state if there is one.
  public var fields: [Field] {
    func concentrations(_ name: String, _ role: FieldRole) -> Field {
      Field(
        name: name, type: .float32, shape: [size, size, 2], role: role,
        variables: ["u", "v"].map {
          Field.Variable(
            name: $0, channels: 1, attributes: ["long_name": .text("concentration of \($0.uppercased())")])
        },
        normalization: Normalization(kind: .minMax, offset: [0.5, 0.25], scale: [0.5, 0.25], isStored: true))
    }
    let ranges = [Self.feed, Self.kill]
    let rates = Field(
      name: "scalars", type: .float32, shape: [2], role: .scalar,
      variables: ["F", "k"].map { Field.Variable(name: $0, channels: 1) },
      normalization: Normalization(
        kind: .minMax, offset: ranges.map { ($0.lowerBound + $0.upperBound) / 2 },
        scale: ranges.map { ($0.upperBound - $0.lowerBound) / 2 }, isStored: true))
    return [concentrations("images", .image), rates]
      + (lead > 0 ? [concentrations("conditions", .condition)] : [])
  }

  /// Number of values per sample.
  public var valueCount: Int { fields.reduce(0) { $0 + $1.elementCount } }

  /// The normalised values of all fields of a sample, in order.
  public func values(_ index: Int) -> [Float] {
    let stream = RandomStream(seed: seed, purpose: .simulation, step: splitNumber, sample: index)
    func uniform(_ draw: Int, _ range: ClosedRange<Double>) -> Double {
      range.lowerBound + (range.upperBound - range.lowerBound) * Double(stream.bits(draw) >> 11) * 0x1p-53
    }
    let (feed, kill) = (uniform(0, Self.feed), uniform(1, Self.kill))
    var u = [Float](repeating: 1, count: size * size)
    var v = [Float](repeating: 0, count: size * size)
    let side = max(size / 8, 2)
    for square in 0..<Self.squares {
      let (top, left) = (
        stream.integer(below: size, 2 + 2 * square), stream.integer(below: size, 3 + 2 * square)
      )
      for y in 0..<side {
        for x in 0..<side {
          let place = (top + y) % size * size + (left + x) % size
          (u[place], v[place]) = (0.5, 0.25)
        }
      }
    }
    let firstNoise = 2 + 2 * Self.squares
    for place in u.indices {
      u[place] *= Float(1 + uniform(firstNoise + 2 * place, -Self.noise...Self.noise))
      v[place] *= Float(1 + uniform(firstNoise + 2 * place + 1, -Self.noise...Self.noise))
    }
    var reaction = GrayScott(size: size, feed: Float(feed), kill: Float(kill), u: u, v: v)
    reaction.advance(steps: steps - lead)
    let earlier = reaction.values
    reaction.advance(steps: lead)
    let fields = fields
    let values = [reaction.values, [Float(feed), Float(kill)]] + (lead > 0 ? [earlier] : [])
    return zip(fields, values).flatMap { field, values in
      values.enumerated().map { place, value in
        let channel = place % field.channelCount
        return field.normalization.map { Float($0.normalized(Double(value), channel: channel)) } ?? value
      }
    }
  }
}

/// Precomputed samples of a simulation.
public struct SimulatedSource: SampleSource {
  public let name: String
  public let split: String
  public let fields: [Field]
  public let classNames: [String] = []
  public let count: Int
  /// [count], each with all fields in order.
  private let values: [Float]

  /// - Parameters:
  ///   - fields: fields of type float32.
  ///   - values: values of all samples in order, each with all fields in order.
  public init(name: String, split: Split, fields: [Field], values: [Float]) {
    let size = fields.reduce(0) { $0 + $1.elementCount }
    precondition(
      fields.allSatisfy { $0.type == .float32 } && values.count % size == 0,
      "\(values.count) values of samples of \(size)")
    self.name = name
    self.split = split.rawValue
    self.fields = fields
    self.values = values
    count = values.count / size
  }

  public func read(_ index: Int, into sample: SampleSlot) throws {
    var start = index * (values.count / count)
    for (number, field) in fields.enumerated() {
      let bytes = sample.bytes(number)
      values.withUnsafeBytes { all in
        let size = MemoryLayout<Float>.size
        bytes.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: all[start * size..<(start + field.elementCount) * size]))
      }
      start += field.elementCount
    }
  }
}
