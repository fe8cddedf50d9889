import Foundation
import HDF5
import TestSupport
import Testing

/// Fields of numbers, from the file of another program to samples in its units.
@Suite struct FieldSampleTests {
  private static let configuration = """
    model: {kind: annotated-unet, dim: 8, dim_mults: [1, 2], channels: 5, groups: 4}
    diffusion: {timesteps: 4}
    training: {batch_size: 4, microbatches: 2, steps: 2, log_every: 1}
    checkpoint: {every: 2}
    sampling: {every: 2, count: 2}

    """

  /// Temperature around 280 K, pressure with a deviation of 1e-3 at 1e5, three components of a wind.
  private func makeSource(_ path: String) throws {
    let file = try HDF5.File(creating: path)
    func add(_ name: String, _ shape: [Int], units: String, _ value: (Int) -> Double) throws {
      let dataset = try file.root.createDataset(name, of: Double.self, shape: shape)
      try dataset.write((0..<shape.reduce(1, *)).map(value))
      try dataset.attributes.write("units", units)
    }
    try add("t", [8, 16, 16], units: "K") { 280 + Double($0 * 37 % 101) / 10 }
    try add("p", [8, 16, 16], units: "Pa") { 1e5 + Double($0 * 53 % 97) * 2e-5 }
    try add("wind", [8, 16, 16, 3], units: "m s-1") { Double($0 * 29 % 89) - 40 }
    try file.close()
  }

  @Test func samplesHaveNamesAndUnitsOfTheSource() throws {
    let trial = try Trial()
    let (source, data) = ("\(trial.path)/source.h5", "\(trial.path)/data")
    try makeSource(source)
    let prepared = try oboro([
      "prepare", "hdf5", "--source", source, "--variables", "t,p,wind", "--normalize", "standard", "--output",
      data,
    ])
    try #require(prepared.exitStatus == 0, "\(prepared)")
    try Self.configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    try trial.trainToEnd(dataset: data)
    // Channels side by side, in colours.
    #expect(exists("\(trial.run)/samples/step-00000002.png"))
    let output = "\(trial.path)/samples"
    func sample(_ format: String) throws {
      let run = try oboro([
        "sample", "--checkpoint", trial.run, "--output", output, "--count", "2", "--format", format,
      ])
      try #require(run.exitStatus == 0, "\(run)")
    }
    try sample("hdf5")
    let root = try HDF5.File(opening: "\(output)/samples.h5").root
    #expect(try root.children() == ["column", "p", "row", "sample", "t", "wind", "wind_channel"])
    let temperature = try root.dataset("t")
    #expect(temperature.shape == [2, 16, 16] && temperature.elementType == .float32)
    #expect(try temperature.attributes.readString("units") == "K")
    #expect(try temperature.read(as: Float.self).allSatisfy { (100...500).contains($0) })
    // float32 would not hold it.
    let pressure = try root.dataset("p")
    #expect(pressure.elementType == .float64)
    let values = try pressure.read(as: Double.self)
    #expect(values.allSatisfy { abs($0 - 1e5) < 0.1 } && Set(values).count > 100)
    #expect(try root.dataset("wind").shape == [2, 16, 16, 3])
    #expect(try root.dataset("row").attributes.readString("CLASS") == "DIMENSION_SCALE")
    try sample("numpy")
    #expect(names(in: output) == ["grid.png", "samples.npy"])
  }
}
