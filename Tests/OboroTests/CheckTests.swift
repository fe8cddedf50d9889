import Foundation
import Safetensors
import TestSupport
import Testing

/// `oboro check` on the golden cases, whole and spoilt.
@Suite struct CheckTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()
    .appending(components: "Fixtures", "annotated-unet").path
  private static let small = "\(fixtures)/one-stage-odd-size-l1.safetensors"

  @Test func everyCaseIsWithinTolerance() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.fixtures)
      .filter { $0.hasSuffix(".safetensors") }
    #expect(files.count == 5)
    for file in files {
      let run = try oboro(["check", "\(Self.fixtures)/\(file)"])
      #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
      #expect(run.outputLines.last?.hasSuffix("all within 0.0001") == true, "\(run)")
    }
  }

  @Test func jsonHasTheFourFigures() throws {
    let run = try oboro(["check", "--json", Self.small])
    let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
    let report = try #require(object)
    #expect(Set(report.keys) == ["output_error", "loss_error", "gradient_error", "worst_gradient"])
    for key in ["output_error", "loss_error", "gradient_error"] {
      let error = try #require(report[key] as? Double)
      #expect(error >= 0 && error < 1e-5)
    }
  }

  @Test func aToleranceThatIsTooSmallFails() throws {
    let run = try oboro(["check", Self.small, "--tolerance", "1e-12"])
    #expect(run.exitStatus == 1)
    #expect(run.output.contains("not all within 1e-12"))
  }

  /// A case with one tensor changed by `change`: its name, shape and values go in, what to write comes out.
  private func spoilt(
    in folder: TemporaryDirectory, _ change: (String, [Int], [Float]) -> [(String, [Int], [Float])]
  ) throws -> String {
    let file = try SafetensorsFile(path: Self.small)
    var writer = SafetensorsWriter(metadata: file.metadata)
    for name in file.names {
      let shape = try file.shape(of: name)
      if try file.elementType(of: name) == .int64 {
        writer.add(name, shape: shape, int64s: try file.int64s(name))
      } else {
        for (name, shape, values) in change(name, shape, try file.floats(name)) {
          writer.add(name, shape: shape, floats: values)
        }
      }
    }
    let path = "\(folder.path)/case.safetensors"
    try writer.write(to: path)
    return path
  }

  @Test func aWrongGradientIsNamed() throws {
    let folder = try TemporaryDirectory()
    let path = try spoilt(in: folder) { name, shape, values in
      [(name, shape, name == "grad/final_conv.weight" ? values.map { $0 * 1.01 } : values)]
    }
    let run = try oboro(["check", "--json", path])
    #expect(run.exitStatus == 1)
    #expect(run.output.contains("\"worst_gradient\": \"final_conv.weight\""), "\(run)")
  }

  @Test func tensorsThatDoNotFitAreNamed() throws {
    let folder = try TemporaryDirectory()
    let bias = "model/init_conv.bias"
    let changes: [(String, (String, [Int], [Float]) -> [(String, [Int], [Float])])] = [
      ("lacks: \(bias)", { name, shape, values in name == bias ? [] : [(name, shape, values)] }),
      (
        "has what the model does not use: model/surplus",
        { name, shape, values in
          name == bias ? [(name, shape, values), ("model/surplus", [1], [0])] : [(name, shape, values)]
        }
      ),
      (
        "\(bias) has shape [2, 2], the model's is [4]",
        { name, shape, values in [(name, name == bias ? [2, 2] : shape, values)] }
      ),
    ]
    for (message, change) in changes {
      let path = try spoilt(in: folder, change)
      let run = try oboro(["check", path])
      #expect(run.exitStatus == 65 && run.output == "")
      #expect(run.errorLines == ["oboro: \(path): \(message)"], "\(run)")
    }
  }

  @Test func whatIsNoCaseIsRefused() throws {
    let run = try oboro(["check", "\(Self.fixtures)/../adam.safetensors"])
    #expect(run.exitStatus == 65)
    #expect(run.errors.contains("metadata have no \"model\""), "\(run)")
    #expect(try oboro(["check", "/nowhere/case.safetensors"]).exitStatus == 74)
    #expect(try oboro(["check", Self.small, "--tolerance", "0"]).exitStatus == 64)
  }
}
