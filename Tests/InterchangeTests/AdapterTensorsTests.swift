import Foundation
import Interchange
import NumericsTestSupport
import Testing

@Suite struct AdapterTensorsTests {
  /// Files of peft, diffusers, kohya's scripts and LyCORIS, and none of a whole model.
  @Test func filesOfAdaptersAreRecognised() throws {
    let folder = Fixture.url("adapter-files")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
      !$0.hasSuffix(".json")
    }
    let whole = files.filter { $0.hasSuffix("merged.safetensors") || $0 == "base.safetensors" }
    #expect(!whole.isEmpty && whole.count < files.count)
    for file in files {
      #expect(AdapterTensors.isOne("\(folder.path)/\(file)") == !whole.contains(file), "\(file)")
    }
    #expect(AdapterTensors.isOne(Fixture.url("pipelines/sd1-lora-kohya.safetensors").path))
    for other in ["pipelines/sd1-compvis.safetensors", "pipelines/sd1", "pipelines/sd1-word.safetensors"] {
      #expect(!AdapterTensors.isOne(Fixture.url(other).path), "\(other)")
    }
  }
}
