import Datasets
import Foundation
import Testing

/// Data of scientific programs; `Fixtures/generators/fields.py` says what it is.
@Suite("Fields of other programs")
struct FieldImportTests {
  private func source(
    _ images: [String], file: String = "weather.h5", format: ArrayImport.Format = .hdf5,
    _ change: (inout ArrayImport) -> Void = { _ in }
  ) throws -> ArraySource {
    var options = ArrayImport(images: images)
    change(&options)
    let path = file.hasPrefix("/") ? file : "\(fields)/\(file)"
    return try ArraySource(path, format: format, options, name: "test", split: .train)
  }

  private func expectError(
    _ problem: String, location: SourceLocation = #_sourceLocation, _ body: () throws -> ArraySource
  ) {
    let error = #expect(throws: DatasetError.self, sourceLocation: location) {
      let source = try body()
      for index in 0..<source.count { _ = try source.sample(index) }
    }
    #expect(error?.kind == .badData, sourceLocation: location)
    #expect(error?.description.contains(problem) == true, "\(error as Any)", sourceLocation: location)
  }

  /// t of element i: a mean of 1e5 beside a deviation of 2e-3.
  private func temperature(_ i: Int) -> Double { 100_000 + Double(i % 7 - 3) / 1024 }

  @Test func variablesAreStackedAndNormalized() throws {
    let source = try self.source(["u", "t", "p"]) { $0.normalization = .standard }
    #expect(source.count == 6 && source.classNames.isEmpty)
    let field = source.fields[0]
    #expect(field.type == .float32 && field.shape == [4, 5, 3] && field.role == .image)
    #expect(
      field.variables?.map(\.name) == ["u", "t", "p"] && field.variables?.map(\.channels) == [1, 1, 1])
    #expect(field.variables?[0].attributes == ["units": .text("m s-1"), "long_name": .text("eastward wind")])
    #expect(field.variables?[1].attributes == ["levels": .numbers([1.5, 2.5])])
    // What holds for packed numbers only is used up.
    #expect(field.variables?[2].attributes.isEmpty == true)
    let coordinates = try #require(field.coordinates)
    #expect(coordinates.map(\.name) == ["lat", "lon"] && coordinates.map(\.axis) == [0, 1])
    #expect(coordinates[0].values == [50, 51, 52, 53] && coordinates[1].values == [0, 1, 2, 3, 4])
    #expect(coordinates[0].attributes == ["units": .text("degrees_north")])

    // Sums of small whole numbers are exact.
    let steps = (0..<120).map { $0 % 7 - 3 }
    let (sum, squares) = (steps.reduce(0, +), steps.reduce(0) { $0 + $1 * $1 })
    let deviations = [
      (Double(120 * 120 - 1) / 12).squareRoot() / 8,
      Double(120 * squares - sum * sum).squareRoot() / 120 / 1024, (Double(120 * 120 - 1) / 12).squareRoot(),
    ]
    let means = [59.5 / 8, 100_000 + Double(sum) / 120 / 1024, 59.5]
    let normalization = try #require(field.normalization)
    #expect(normalization.kind == .standard && normalization.isStored)
    for channel in 0..<3 {
      #expect(abs(normalization.scale[channel] / deviations[channel] - 1) < 1e-15)
      #expect(abs(normalization.offset[channel] - means[channel]) <= means[channel].ulp)
    }
    #expect(field.statistics?.count == [120, 120, 120])
    #expect(field.statistics?.minimum == [0, temperature(0), 0])
    #expect(field.statistics?.maximum == [119.0 / 8, temperature(6), 119])
    for sample in [0, 5, 2] {
      let values = try source.sample(sample).bytes[0].elements(Float.self)
      #expect(values.count == 60)
      for (place, value) in values.enumerated() {
        let i = sample * 20 + place / 3
        let expected = [Double(i) / 8, temperature(i), Double(i)][place % 3]
        // Float32 of what was normalized in double precision: the digits behind the mean are there.
        let restored = normalization.restored(Double(value), channel: place % 3)
        #expect(abs(restored - expected) <= abs(expected - means[place % 3]) * 1e-6 + 3e-11)
      }
    }
  }

  @Test func minMaxSpansMinusOneToOne() throws {
    let source = try self.source(["u", "t"]) { $0.normalization = .minMax }
    let values = try (0..<6).flatMap { try source.sample($0).bytes[0].elements(Float.self) }
    for channel in 0..<2 {
      let own = stride(from: channel, to: values.count, by: 2).map { values[$0] }
      #expect(own.min() == -1 && own.max() == 1)
    }
  }

  @Test func typesAreKeptWhereTheyFit() throws {
    for (name, type) in [("half", FieldType.float16), ("words", .uint16), ("stack", .uint8), ("u", .float32)]
    {
      let source = try self.source([name])
      #expect(source.fields[0].type == type)
      let bytes = try source.sample(3).bytes[0]
      switch type {
      case .float16: #expect(bytes.elements(Float16.self) == (60..<80).map { Float16($0) / 4 })
      case .uint16: #expect(bytes.elements(UInt16.self) == (60..<80).map { UInt16($0 * 500) })
      case .uint8:
        #expect(source.fields[0].shape == [4, 5, 5])
        #expect(bytes == (60..<80).flatMap { i in (0..<5).map { UInt8(i + $0) } })
      default: #expect(bytes.elements(Float.self) == (60..<80).map { Float($0) / 8 })
      }
    }
    // Bytes stacked with numbers of another type become floats; with bytes, bytes.
    #expect(try self.source(["stack", "words"]).fields[0].type == .float32)
    let two = try self.source(["stack", "stack"])
    #expect(two.fields[0].type == .uint8 && two.fields[0].shape == [4, 5, 10])
    #expect(try two.sample(1).bytes[0] == (20..<40).flatMap { i in (0..<10).map { UInt8(i + $0 % 5) } })
  }

  @Test func missingValuesAreNamedOrMasked() throws {
    expectError("weather.h5, /nan: the value at [4, 2, 3] is missing") { try self.source(["u", "nan"]) }
    expectError("weather.h5, /holes: the value at [3, 1, 2] is missing") { try self.source(["holes"]) }
    expectError("weather.h5, /infinite: the value at [3, 3, 2] is inf, expected a finite number") {
      try self.source(["infinite"]) { $0.missing = .mask }
    }
    let source = try self.source(["nan", "u"]) {
      $0.missing = .mask
      $0.normalization = .standard
    }
    #expect(source.fields.map(\.name) == ["images", "images_mask", "labels"])
    #expect(source.fields[0].maskedBy == "images_mask" && source.fields[1].role == .mask)
    #expect(source.fields[1].type == .uint8 && source.fields[1].shape == [4, 5, 2])
    #expect(source.fields[0].statistics?.count == [119, 120])
    for sample in 0..<6 {
      let (values, mask) = (
        try source.sample(sample).bytes[0].elements(Float.self), try source.sample(sample).bytes[1]
      )
      for place in 0..<40 {
        let isHole = sample == 4 && place == 2 * (2 * 5 + 3)
        #expect(mask[place] == (isHole ? 0 : 1))
        if isHole { #expect(values[place] == 0) }
      }
    }
  }

  @Test func whatCannotBeNormalizedIsNamed() {
    expectError("weather.h5, /constant: is constant, 7.5 in all samples (channel 1 of the stack)") {
      try source(["u", "constant"]) { $0.normalization = .standard }
    }
    expectError("/constant: is constant") { try source(["constant"]) { $0.normalization = .minMax } }
    expectError("/t: has the deviation 0.00196") { try source(["t"]) }
    expectError("/large: the value at [0, 0, 1] is 16777217, which is no float32; give --normalize") {
      try source(["large"])
    }
    #expect(throws: Never.self) { try source(["large"]) { $0.normalization = .standard }.sample(0) }
  }

  @Test func variablesThatDoNotFitAreNamed() {
    expectError("weather.h5, /short: holds 5 samples, but u holds 6") { try source(["u", "short"]) }
    expectError("weather.h5, /wide: has samples of the shape [4, 6, 1], but those of u have [4, 5, 1]") {
      try source(["u", "wide"])
    }
    expectError("weather.h5, /labels/u88: not in the file (/labels/u8?)") { try source(["labels/u88"]) }
    expectError("colour: has the shape [4, 5, 3]: one image of 3 channels, or 4 grey ones of 5 x 3?") {
      try source(["colour"])
    }
    expectError("/text: holds text, expected numbers") { try source(["text"]) }
    expectError("/pair: has the shape [6, 2], expected [N, H, W]") { try source(["pair"]) }
  }

  @Test func oneImageByItsLayout() throws {
    let one = try source(["colour"]) { $0.order = AxisOrder("HWC") }
    #expect(one.count == 1 && one.fields[0].shape == [4, 5, 3])
    let four = try source(["colour"]) { $0.order = AxisOrder("NHW") }
    #expect(four.count == 4 && four.fields[0].shape == [5, 3, 1])
  }

  @Test(arguments: ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f8", "row", "column"])
  func labelsOfAnyWidth(name: String) throws {
    let source = try self.source(["u"]) { $0.labels = "labels/\(name)" }
    #expect(try (0..<6).map { try source.sample($0).bytes[1].elements(Int32.self)[0] } == [0, 1, 2, 0, 1, 2])
    #expect(source.classNames == ["0", "1", "2"])
  }

  @Test func labelsThatAreNone() {
    expectError("/labels/fraction: the label of image 1 is 0.5, expected a whole number from -1") {
      try source(["u"]) { $0.labels = "labels/fraction" }
    }
    expectError("/labels/negative: the label of image 1 is -2, expected -1 to 65535") {
      try source(["u"]) { $0.labels = "labels/negative" }
    }
    expectError("/pair: has the shape [6, 2], expected [6] of labels") {
      try source(["u"]) { $0.labels = "pair" }
    }
    expectError("/text: holds text, expected numbers; labels are whole numbers, whose names") {
      try source(["u"]) { $0.labels = "text" }
    }
    expectError("names.npy: holds text (<U3), expected numbers; of labels, numpy.unique") {
      try source([], file: "floats.npy", format: .numpy) { $0.labels = "\(fields)/names.npy" }
    }
  }

  /// Four dimensions of MATLAB's, which h5py shows the other way round.
  @Test func matlabOrder() throws {
    let source = try self.source(["matlab"]) { $0.isMATLAB = true }
    #expect(source.count == 6 && source.fields[0].shape == [4, 5, 3])
    let values = try source.sample(2).bytes[0].elements(UInt16.self)
    for (y, x, c) in [(0, 0, 0), (1, 0, 0), (0, 2, 0), (3, 4, 2)] {
      let expected = ((2 * 3 + c) * 5 + x) * 4 + y
      #expect(Int(values[(y * 5 + x) * 3 + c]) == expected)
    }
    let same = try self.source(["matlab"]) { $0.order = AxisOrder("NCWH") }
    #expect(try same.sample(5).bytes == source.sample(5).bytes)
    // Samples along another dimension.
    let last = try self.source(["matlab"]) { $0.order = AxisOrder("CHWN") }
    #expect(last.count == 4 && last.fields[0].shape == [3, 5, 6])
    #expect(try last.sample(1).bytes[0].elements(UInt16.self)[7] == 65)
    let numPy = try self.source([], file: "fortran.npy", format: .numpy)
    #expect(numPy.count == 6 && numPy.fields[0].shape == [4, 5, 2] && numPy.fields[0].type == .float32)
    #expect(try numPy.sample(4).bytes[0].elements(Float.self) == (160..<200).map { Float($0) })
  }

  @Test func numPysTypes() throws {
    let floats = try source([], file: "floats.npy", format: .numpy)
    #expect(try floats.sample(1).bytes[0].elements(Float.self) == (40..<80).map { Float($0) / 8 })
    let stacked = try source(["v", "u"], file: "variables.npz", format: .numpy) {
      $0.extras = [.init(role: .caption, variables: ["names"])]
    }
    #expect(stacked.fields.map(\.name) == ["images", "captions", "labels"])
    #expect(try stacked.sample(0).bytes[0].elements(Float.self).prefix(4) == [1, 0, 3, 2])
    #expect(
      try (0..<6).map { try stacked.sample($0).texts[1] } == ["a", "bb", "c", "d", "e", "f"].map { [$0] })
    expectError("objects.npy: holds Python objects (a pickled array), which are not read") {
      try source([], file: "objects.npy", format: .numpy)
    }
    expectError("names.npy: holds text (<U3), expected numbers") {
      try source([], file: "names.npy", format: .numpy)
    }
    expectError("complex.npy: holds elements of type <c8, expected numbers") {
      try source([], file: "complex.npy", format: .numpy)
    }
    expectError("images.npy: is in Fortran's order, and in an archive") {
      try source([], file: "fortran.npz", format: .numpy)
    }
    expectError("holds no array named w") { try source(["w"], file: "variables.npz", format: .numpy) }
  }

  @Test func fieldsBesideTheImages() throws {
    try withTemporaryDirectory { directory in
      let source = try self.source(["u"]) {
        $0.extras = [
          .init(role: .condition, variables: ["t", "p"]), .init(role: .scalar, variables: ["reynolds"]),
          .init(role: .embedding, variables: ["pair"]), .init(role: .caption, variables: ["text"]),
          .init(role: .scalar, variables: ["pair"]),
        ]
        $0.normalization = .minMax
        $0.labels = "labels/u2"
      }
      try DatasetWriter(directory: directory, shardCount: 2).write(source)
      let dataset = try ShardedDataset(directory: directory)
      try dataset.verify()
      let expected = ["images", "conditions", "scalars", "embeddings", "scalars_2", "captions", "labels"]
      #expect(dataset.fields.map(\.name) == expected)
      #expect(dataset.fields.map(\.shape) == [[4, 5, 1], [4, 5, 2], [], [2], [2], [], []])
      #expect(dataset.fields[3].normalization == nil && dataset.fields[4].normalization?.offset == [5, 6])
      let loader = Loader(
        dataset: dataset, fields: expected.map { FieldRequest($0) }, seed: 0, batchSize: 6, share: 0..<6)
      let batch = try loader.next()
      #expect(batch["scalars"]?.floats == batch.indices.map { Float((Double($0) * 1000 - 2500) / 2500) })
      #expect(batch["embeddings"]?.floats == batch.indices.flatMap { [Float($0 * 2), Float($0 * 2 + 1)] })
      let texts = ["fog", "", "朧月夜", "rain", "sun", "wind and snow"]
      #expect(batch.captions == batch.indices.map { [texts[$0]] })
      #expect(batch.labels == batch.indices.map { Int32($0 % 3) })
    }
    expectError("/reynolds: has the shape [6], expected [N, H, W]") {
      try self.source(["u"]) { $0.extras = [.init(role: .condition, variables: ["reynolds"])] }
    }
    expectError("short: holds 5 samples, but u holds 6") {
      try self.source(["u"]) { $0.extras = [.init(role: .condition, variables: ["short"])] }
    }
  }

  /// Whatever the library would make up is an error here too.
  @Test(arguments: ["contiguous", "chunked", "partly", "external", "virtual", "huge", "filled"])
  func whatIsNotInTheFileIsRefused(name: String) throws {
    let storage = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("HDF5Tests/Fixtures/storage.h5").path
    expectError("storage.h5, /unstored/\(name): ") {
      try source(["unstored/\(name)"], file: storage) { $0.order = AxisOrder("HW") }
    }
    expectError("storage.h5, /unstored/\(name): ") {
      try source(["whole/contiguous"], file: storage) {
        $0.order = AxisOrder("HW")
        $0.labels = "unstored/\(name)"
      }
    }
  }

  @Test func letters() {
    #expect(AxisOrder("nchw")?.description == "NCHW")
    for text in ["", "NC", "HH", "HWX", "NHWCN", "H", "WWH"] { #expect(AxisOrder(text) == nil) }
  }
}
