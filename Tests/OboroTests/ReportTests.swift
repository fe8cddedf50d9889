import Foundation
import TestSupport
import Testing

/// `oboro report`.
@Suite struct ReportTests {
  @Test func aRunBecomesOnePage() throws {
    let trial = try Reference.copyOfShort()
    let run = try oboro(["report", trial.run])
    #expect(run.exitStatus == 0 && run.output == "\(trial.run)/report.html\n", "\(run)")
    let page = text("\(trial.run)/report.html")
    #expect(page.hasPrefix("<!DOCTYPE html>"))
    for title in ["Loss", "Learning rate", "Gradient norm", "Images a second"] {
      #expect(page.contains("<figcaption>\(title)</figcaption><svg"), "no \(title)")
    }
    // Its samples, as they are; what each rank waited; events; configuration.
    let picture = try content("\(trial.run)/samples/step-00000008.png").base64EncodedString()
    #expect(page.contains("data:image/png;base64,\(picture)"))
    for part in ["<th>rank 0</th>", "<b>training</b>", "batch_size: 8", "8 of 8"] {
      #expect(page.contains(part), "\(part)")
    }
    // It needs nothing else.
    for outside in ["http:", "https:", "<script", "<link", "@import"] {
      #expect(!page.contains(outside), "\(outside)")
    }
    #expect(page.contains("<meta name=\"viewport\""))
  }

  @Test func aRunThatWasStoppedShowsIt() throws {
    let trial = try Trial()
    try trial.trainToEnd("training.steps=4")
    try trial.trainToEnd(options: ["--allow-changes"])
    let page = "\(trial.path)/page.html"
    let run = try oboro(["report", trial.run, "--output", page])
    #expect(run.exitStatus == 0, "\(run)")
    #expect(text(page).contains("<b>going on</b>") && text(page).contains("class=\"mark\""))
    #expect(text(page).contains("<dt>starts</dt><dd>2</dd>"))
  }

  @Test func whatIsNoRunIsRefused() throws {
    let folder = try TemporaryDirectory()
    expectFailure(try oboro(["report", folder.path]), 65, folder.path, "is no run directory")
  }
}
