import NumericsTestSupport
import Tensors
import Testing

@Suite struct ParameterTests {
  /// PyTorch's [outputs 2, inputs 3, 1, 2] and memory's [taps 2, inputs 3, outputs 2], element by element.
  @Test func layoutByHand() {
    let parameter = Parameter(
      name: "p", fileShape: [2, 3, 1, 2], outputs: 2, inputs: 3, taps: 2, offset: 5, initialization: .zeros)
    #expect(parameter.shape == [2, 3, 2])
    #expect(parameter.count == 12)
    // Digits: output, input, tap.
    let file: [Float] = [
      000, 001, 010, 011, 020, 021,
      100, 101, 110, 111, 120, 121,
    ]
    let memory: [Float] = [
      000, 100, 010, 110, 020, 120,
      001, 101, 011, 111, 021, 121,
    ]
    var flat = [Float](repeating: -1, count: 20)
    parameter.import(from: file, to: &flat)
    #expect(flat == [-1, -1, -1, -1, -1] + memory + [-1, -1, -1])
    let back = parameter.exported(from: flat)
    #expect(back == file)
  }

  @Test func vectorsLieAsTheyAre() {
    let parameter = Parameter(name: "b", shape: [5], offset: 1, initialization: .ones)
    #expect(parameter.shape == [5])
    var flat = [Float](repeating: 0, count: 6)
    parameter.import(from: [1, 2, 3, 4, 5], to: &flat)
    #expect(flat == [0, 1, 2, 3, 4, 5])
  }

  /// Parts of vectors, whole ones with a rest, and more than one stretch.
  @Test(arguments: [
    (1, 1, 1), (7, 3, 9), (28, 112, 4), (3, 1, 49), (16, 16, 1), (37, 5, 9), (300, 64, 9), (140_000, 1, 1),
  ])
  func roundTrip(outputs: Int, inputs: Int, taps: Int) {
    let parameter = Parameter(
      name: "p", fileShape: [outputs, inputs, taps, 1], outputs: outputs, inputs: inputs, taps: taps,
      offset: 16,
      initialization: .zeros)
    let file = normalValues(parameter.count, seed: 1)
    let flat = ParameterBuffer(count: 16 + parameter.count)
    parameter.import(from: file, to: flat.pointer)
    let back = parameter.exported(from: flat.pointer)
    #expect(back == file)
    #expect(flat.elements[..<16].allSatisfy { $0 == 0 })
    var stretches: [[Float]] = []
    parameter.fileTensors[0].exportStretches(from: flat.pointer + 10, startingAt: 10) {
      stretches.append(Array($0))
    }
    #expect(stretches.joined().elementsEqual(file))
    #expect((stretches.count > 1) == (parameter.count > 131_072))
  }

  @Test func flatMemoryCopies() {
    let (a, b) = (ParameterBuffer(count: 100), ParameterBuffer(count: 100))
    #expect(a.elements.allSatisfy { $0 == 0 } && a.count == 100)
    _ = a.elements.update(fromContentsOf: normalValues(100, seed: 1))
    b.copy(from: a)
    #expect(Array(b.elements) == normalValues(100, seed: 1))
    a.clear()
    #expect(a.elements.allSatisfy { $0 == 0 } && Array(b.elements) == normalValues(100, seed: 1))
  }
}
