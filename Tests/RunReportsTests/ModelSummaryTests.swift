import Models
import RunReports
import Settings
import Tensors
import Testing

/// The layers of a model, and its arithmetic counted by hand.
@Suite struct ModelSummaryTests {
  private func summary(imageShape: [Int]) throws -> ModelSummary {
    let settings: SettingsNode = ["dim": 8, "dim_mults": [1], "channels": 3, "groups": 4]
    let model = AnnotatedUNet(try AnnotatedUNetSettings(SettingsReader(settings)))
    return ModelSummary(.denoiser(model), imageShape: imageShape)
  }

  /// One stage: 6 x 10 pixels throughout, 8 channels, attention of 4 heads 32 wide.
  @Test func arithmeticOfAWholeModel() throws {
    let pixels = 6 * 10
    func convolution(_ inputs: Int, _ outputs: Int, _ taps: Int) -> Int { pixels * inputs * outputs * taps }
    let time = 8 * 32 + 32 * 32
    // Scale and shift for 8 channels from the time embedding.
    let block = 32 * 16 + convolution(8, 8, 9) + convolution(8, 8, 9)
    let widerBlock = 32 * 16 + convolution(16, 8, 9) + convolution(8, 8, 9) + convolution(16, 8, 1)
    let projections = convolution(8, 3 * 128, 1) + convolution(128, 8, 1)
    let linear = projections + 2 * pixels * 32 * 128
    let softmax = projections + 2 * pixels * pixels * 128
    let first = convolution(3, 8, 1)
    let others =
      time + 2 * block + linear + convolution(8, 8, 9) + 2 * block + softmax + 2 * widerBlock + linear
      + convolution(8, 8, 9) + widerBlock + convolution(8, 3, 1)
    let summary = try summary(imageShape: [6, 10, 3])
    #expect(summary.forwardFlops == 2 * (first + others))
    // Each factor's gradient is as much again; the image and the sinusoids of the timestep need none.
    #expect(summary.backwardFlops == 2 * (first + 2 * others - 8 * 32))
  }

  /// Half a terabyte of activations, and some minutes of arithmetic for an image, if it were done.
  @Test func nothingIsComputed() throws {
    let small = try summary(imageShape: [32, 32, 3])
    let large = try summary(imageShape: [8192, 8192, 3])
    #expect(large.layers[0].forwardFlops == 65_536 * small.layers[0].forwardFlops)
    #expect(large.flops > 65_536 * small.flops)
  }

  @Test func layersAreInOrderWithTheirTensors() throws {
    let layers = try summary(imageShape: [4, 4, 3]).layers
    #expect(layers[0].name == "init_conv" && layers[layers.count - 1].name == "final_conv")
    #expect(layers[0].tensors.map(\.name) == ["init_conv.weight", "init_conv.bias"])
    #expect(layers[0].tensors.map(\.fileShape) == [[8, 3, 1, 1], [8]])
    #expect(layers[0].parameters == 32)
    // The attention's arithmetic belongs to the module around its two projections, and stands before them.
    let names = layers.map(\.name)
    let attention = try #require(names.firstIndex(of: "mid_attn.fn.fn"))
    #expect(names[attention + 1] == "mid_attn.fn.fn.to_qkv")
    #expect(layers[attention].tensors.isEmpty && layers[attention].forwardFlops > 0)
    #expect(Set(names).count == names.count)
  }

  @Test func totalsAreSums() throws {
    let summary = try summary(imageShape: [4, 4, 3])
    #expect(summary.parameters == summary.layers.reduce(0) { $0 + $1.parameters })
    let lines = summary.text.split(separator: "\n")
    #expect(lines.count == summary.layers.count + 3)
    let total = try #require(lines.first { $0.hasPrefix("total ") })
    #expect(total.contains(" \(summary.parameters) "))
    #expect(summary.node["flops"] == SettingsNode(summary.forwardFlops + summary.backwardFlops))
  }
}
