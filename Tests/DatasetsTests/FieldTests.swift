import Datasets
import Foundation
import HDF5
import Randomness
import Testing

@Suite("Fields")
struct FieldTests {
  private func withDataset(
    _ source: FieldSource = FieldSource(), _ body: (ShardedDataset) throws -> Void
  ) throws {
    try withTemporaryDirectory { directory in
      try DatasetWriter(directory: directory, shardCount: 3).write(source)
      try body(ShardedDataset(directory: directory))
    }
  }

  private func loader(
    _ dataset: ShardedDataset, _ fields: [FieldRequest]?, share: Range<Int> = 0..<16, flips: Bool = false
  ) -> Loader {
    Loader(dataset: dataset, fields: fields, seed: 4, batchSize: 16, share: share, horizontalFlip: flips)
  }

  private let all = [
    "images", "topography", "known", "latents", "labels", "captions", "tags", "steps", "reynolds",
  ]

  @Test func everyTypeComesBack() throws {
    try withDataset { dataset in
      try dataset.check()
      try dataset.verify()
      let loader = loader(dataset, all.map { FieldRequest($0) })
      let stored = self.loader(dataset, all.map { FieldRequest($0, form: .stored) })
      for _ in 0..<3 {
        let (batch, raw) = (try loader.next(), try stored.next())
        let samples = batch.indices
        func expected<Value>(_ count: Int, _ value: (Int, Int) -> Value) -> [Value] {
          samples.flatMap { sample in (0..<count).map { value(sample, $0) } }
        }
        #expect(batch.fields.map(\.field.name) == all)
        #expect(batch.images == expected(12) { Float(FieldSource.word($0, $1)) / 32767.5 - 1 })
        #expect(raw.images == expected(12) { Float(FieldSource.word($0, $1)) })
        let normalized = expected(12) { sample, place in
          let (offset, scale) = place % 2 == 0 ? (100.0, 4.0) : (-1, 0.5)
          return Float((Double(FieldSource.height(sample, place)) - offset) / scale)
        }
        #expect(batch["topography"]?.floats == normalized)
        #expect(raw[.condition]?.floats == expected(12) { FieldSource.height($0, $1) })
        #expect(batch["known"]?.floats == expected(6) { Float(FieldSource.isKnown($0, $1)) })
        #expect(batch["latents"]?.floats == expected(6) { Float(FieldSource.latent($0, $1)) })
        #expect(batch.labels == samples.map { FieldSource.label($0) })
        #expect(batch.captions == samples.map { [FieldSource.caption($0)] })
        #expect(batch["tags"]?.texts == samples.flatMap { FieldSource.tags($0) })
        #expect(batch["steps"]?.integers == expected(6) { FieldSource.step($0, $1) })
        #expect(batch["reynolds"]?.floats == samples.map { Float($0) * 1.5 })
        #expect(batch["none"] == nil && batch["steps"]?.texts == nil && batch["steps"]?.floats == nil)
      }
    }
  }

  @Test func normalizedValuesStayAsTheyAreStored() throws {
    var source = FieldSource()
    source.normalization?.isStored = true
    try withDataset(source) { dataset in
      let batch = try loader(dataset, [FieldRequest("topography")]).next()
      #expect(
        batch["topography"]?.floats
          == batch.indices.flatMap { i in (0..<12).map { FieldSource.height(i, $0) } })
      #expect(batch.images.isEmpty && batch.captions.isEmpty)
      #expect(batch.labels == [Int32](repeating: -1, count: 16))
    }
  }

  /// What shows the same scene is mirrored with the image: conditions and masks, and nothing else.
  @Test func flipsMirrorWhatShowsTheScene() throws {
    try withDataset { dataset in
      let requests = all.map { FieldRequest($0) }
      let (plain, flipped) = (
        try loader(dataset, requests).next(), try loader(dataset, requests, flips: true).next()
      )
      var count = 0
      for sample in 0..<16 {
        let isFlipped = RandomStream(seed: 4, purpose: .horizontalFlip, step: 0, sample: sample).bool()
        count += isFlipped ? 1 : 0
        func mirrored<Value>(_ values: [Value], _ channels: Int) -> [Value] {
          let own = Array(values[sample * 6 * channels..<(sample + 1) * 6 * channels])
          guard isFlipped else { return own }
          return (0..<6 * channels).map { place in
            let (row, x, channel) = (place / (3 * channels), place / channels % 3, place % channels)
            return own[(row * 3 + 2 - x) * channels + channel]
          }
        }
        func own<Value>(_ values: [Value], _ channels: Int) -> [Value] {
          Array(values[sample * 6 * channels..<(sample + 1) * 6 * channels])
        }
        for (name, channels) in [("images", 2), ("topography", 2), ("known", 1)] {
          let (before, after) = (try #require(plain[name]?.floats), try #require(flipped[name]?.floats))
          #expect(own(after, channels) == mirrored(before, channels), "\(name) of \(sample)")
        }
        let (before, after) = (
          try #require(plain["steps"]?.integers), try #require(flipped["steps"]?.integers)
        )
        #expect(own(after, 1) == mirrored(before, 1))
      }
      #expect((1..<16).contains(count))
      for name in ["latents", "labels", "captions", "reynolds"] {
        #expect(plain[name]?.values == flipped[name]?.values)
      }
    }
  }

  @Test(arguments: [2, 4]) func sharesPutTogetherAreTheWhole(ranks: Int) throws {
    try withDataset { dataset in
      let requests = all.map { FieldRequest($0) }
      let whole = try loader(dataset, requests, flips: true).next()
      let parts = try (0..<ranks).map {
        try loader(dataset, requests, share: $0 * 16 / ranks..<($0 + 1) * 16 / ranks, flips: true).next()
      }
      for name in all {
        #expect(parts.flatMap { $0[name]?.floats ?? [] } == whole[name]?.floats ?? [])
        #expect(parts.flatMap { $0[name]?.integers ?? [] } == whole[name]?.integers ?? [])
        #expect(parts.flatMap { $0[name]?.texts ?? [] } == whole[name]?.texts ?? [])
      }
    }
  }

  @Test func aFieldThatIsNotThereIsNamed() throws {
    try withDataset { dataset in
      let error = #expect(throws: DatasetError.self) {
        try loader(dataset, [FieldRequest("capt1ons")]).next()
      }
      #expect(error?.problem.contains("has no field capt1ons (captions?), but images, topography") == true)
    }
  }

  /// Each shard has text of the length of its longest.
  @Test func shardsHoldFieldsAsOtherProgramsExpectThem() throws {
    try withDataset { dataset in
      let root = try File(opening: "\(dataset.directory)/train-00000-of-00003.h5").root
      #expect(try root.children() == all.sorted())
      for (name, type, shape) in [
        ("images", ElementType.uint16, [6, 2, 3, 2]), ("topography", .float32, [6, 2, 3, 2]),
        ("latents", .float16, [6, 2, 3, 1]), ("captions", .string, [6]), ("tags", .string, [6, 2]),
        ("labels", .int32, [6]),
      ] {
        let found = try root.dataset(name)
        #expect(found.elementType == type && found.shape == shape)
        #expect(try found.offset() != nil)
      }
      #expect(try root.dataset("captions").readStrings() == (0..<6).map { FieldSource.caption($0) })
      #expect(try root.dataset("captions").fixedTextLength() == 14)
      let last = try File(opening: "\(dataset.directory)/train-00002-of-00003.h5").root
      #expect(try last.dataset("captions").fixedTextLength() == 19 * 3 + 3)
    }
  }

  @Test func textThatReadersWouldEndIsRefused() throws {
    struct Source: SampleSource {
      let name = "nul"
      let split = "train"
      let count = 2
      let classNames: [String] = []
      let fields = [Field(name: "captions", type: .text, shape: [], role: .caption)]
      func read(_ index: Int, into sample: SampleSlot) throws { sample.set(["a\0\(index)"], field: 0) }
    }
    try withTemporaryDirectory { directory in
      let error = #expect(throws: DatasetError.self) {
        try DatasetWriter(directory: "\(directory)/a").write(Source())
      }
      #expect(
        error?.description == "nul: the text captions of sample 0 holds a NUL, where readers would end it")
      #expect(names(in: directory) == [])
    }
  }
}
