import Datasets
import Files
import Foundation
import Testing

@Suite("The manifest")
struct ManifestTests {
  private static let text = """
    {
      "class_names" : [
        "T-shirt/top"
      ],
      "count" : 5,
      "fields" : [
        {
          "name" : "images",
          "role" : "image",
          "shape" : [
            2,
            3,
            1
          ],
          "type" : "float32",
          "normalization" : {
            "kind" : "standard",
            "offset" : [
              100000
            ],
            "scale" : [
              0.001
            ],
            "stored" : true
          },
          "statistics" : {
            "count" : [
              30
            ],
            "deviation" : [
              0.001
            ],
            "maximum" : [
              100000.5
            ],
            "mean" : [
              100000
            ],
            "minimum" : [
              99999.5
            ]
          },
          "variables" : [
            {
              "attributes" : {
                "levels" : [
                  1,
                  2.5
                ],
                "units" : "K"
              },
              "channels" : 1,
              "name" : "t"
            }
          ],
          "coordinates" : [
            {
              "attributes" : {

              },
              "axis" : 0,
              "name" : "lat",
              "values" : [
                50,
                50.5
              ]
            }
          ]
        },
        {
          "name" : "labels",
          "role" : "label",
          "shape" : [

          ],
          "type" : "int32"
        },
        {
          "name" : "captions",
          "role" : "caption",
          "shape" : [

          ],
          "type" : "utf-8"
        }
      ],
      "format_version" : 2,
      "name" : "n",
      "shards" : [
        {
          "count" : 2,
          "file" : "train-00000-of-00002.h5",
          "sha256" : "\(String(repeating: "0a", count: 32))"
        },
        {
          "count" : 3,
          "file" : "train-00001-of-00002.h5",
          "sha256" : "\(String(repeating: "f1", count: 32))"
        }
      ],
      "split" : "train"
    }

    """

  private static let firstFormat = """
    {
      "channels" : 1,
      "class_names" : [
        "T-shirt/top"
      ],
      "format_version" : 1,
      "height" : 2,
      "image_count" : 5,
      "name" : "n",
      "shards" : [
        {
          "file_name" : "train-00000-of-00002.h5",
          "image_count" : 2,
          "sha256" : "\(String(repeating: "0a", count: 32))"
        },
        {
          "file_name" : "train-00001-of-00002.h5",
          "image_count" : 3,
          "sha256" : "\(String(repeating: "f1", count: 32))"
        }
      ],
      "split" : "train",
      "width" : 3
    }

    """

  private func manifest(_ text: String = text) throws -> DatasetManifest {
    try withTemporaryDirectory { directory in
      try write(Array(text.utf8), to: "\(directory)/dataset.json")
      return try DatasetManifest(directory: directory)
    }
  }

  @Test func isReadAndWritten() throws {
    let manifest = try manifest()
    #expect(manifest.formatVersion == 2)
    #expect(manifest.name == "n" && manifest.split == "train" && manifest.count == 5)
    #expect(manifest.fields.map(\.name) == ["images", "labels", "captions"])
    #expect(manifest.fields.map(\.type) == [.float32, .int32, .text])
    #expect(manifest.fields.map(\.role) == [.image, .label, .caption])
    #expect(manifest.fields.map(\.shape) == [[2, 3, 1], [], []])
    let images = manifest.fields[0]
    #expect(images.normalization?.offset == [100_000] && images.normalization?.isStored == true)
    #expect(images.statistics?.maximum == [100_000.5])
    #expect(images.variables?[0].attributes == ["units": .text("K"), "levels": .numbers([1, 2.5])])
    #expect(images.coordinates?[0].values == [50, 50.5])
    #expect(manifest.classNames == ["T-shirt/top"])
    #expect(manifest.shards.map(\.file) == ["train-00000-of-00002.h5", "train-00001-of-00002.h5"])
    #expect(manifest.shards.map(\.count) == [2, 3])
    #expect(manifest.shards[1].sha256 == String(repeating: "f1", count: 32))
    // As it was read, and with a seal.
    let written = String(decoding: try manifest.encoded(), as: UTF8.self)
    #expect(written.contains(#/\n  "manifest_sha256" : "[0-9a-f]{64}",\n/#))
    #expect(try self.manifest(written) == manifest)
    #expect(try self.manifest(written).encoded() == manifest.encoded())
  }

  @Test func theFirstFormatIsRead() throws {
    let manifest = try manifest(Self.firstFormat)
    #expect(manifest.formatVersion == 1 && manifest.count == 5)
    #expect(
      manifest.fields == [
        Field(name: "images", type: .uint8, shape: [2, 3, 1], role: .image),
        Field(name: "labels", type: .int32, shape: [], role: .label),
      ])
    #expect(manifest.shards.map(\.count) == [2, 3] && manifest.classNames == ["T-shirt/top"])
    // Checkpoints know datasets by it.
    let golden = manifest.shards.map { "\($0.sha256)\n" }.joined()
    #expect(manifest.digest == SHA256.digest(of: golden))
    for (old, new, problem) in [
      ("\"width\" : 3", "\"breadth\" : 3", "the key width is missing"),
      ("\"width\" : 3", "\"width\" : 3, \"depth\" : 3", "has the unknown key \"depth\""),
      ("\"width\" : 3", "\"width\" : 0", "shape [2, 0, 1]"),
      ("\"image_count\" : 5", "\"image_count\" : 6", "promises 6 samples, its shards hold 5"),
    ] {
      let error = #expect(throws: DatasetError.self) {
        try self.manifest(Self.firstFormat.replacing(old, with: new))
      }
      #expect(error?.description.contains(problem) == true, "\(error as Any)")
    }
  }

  @Test(arguments: [
    ("\"count\" : 5", "\"count\" :  5", "was altered: its manifest_sha256 is not that of its content"),
    ("T-shirt", "T-skirt", "was altered"), ("100000.5", "100000.25", "was altered"),
    ("manifest_sha256", "manifest_sha257", "has the unknown key \"manifest_sha257\""),
  ]) func alterationsAreFound(old: String, new: String, problem: String) throws {
    let text = String(decoding: try manifest().encoded(), as: UTF8.self)
    try #require(text.contains(old))
    let error = #expect(throws: DatasetError.self) { try manifest(text.replacing(old, with: new)) }
    #expect(error?.description.contains(problem) == true, "\(error as Any)")
  }

  @Test(arguments: [
    ("\"format_version\" : 2", "\"format_version\" : 3", "format version 3, expected 2 or 1"),
    ("\"count\" : 5", "\"count\" : 6", "promises 6 samples, its shards hold 5"),
    ("\"count\" : 5", "\"count\" : \"5\"", "count is not of type Int"),
    ("\"count\" : 2", "\"count\" : null", "shards.0.count is null"),
    ("\"count\" : 2", "\"count\" : -2", "train-00000-of-00002.h5 has -2 samples"),
    ("\"count\" : 5", "\"number\" : 5", "the key count is missing"),
    ("\"role\" : \"label\"", "\"role\" : \"label\", \"rôle\" : 1", "has the unknown key \"rôle\" in fields"),
    (
      "\"stored\" : true", "\"stored\" : true, \"x\" : 1", "has the unknown key \"x\" in fields.normalization"
    ),
    ("\"type\" : \"int32\"", "\"type\" : \"int31\"", "fields.1.type"),
    (
      "\"type\" : \"utf-8\"", "\"type\" : \"int32\"",
      "the field captions is int32, expected utf-8 of a caption"
    ),
    ("\"type\" : \"int32\"", "\"type\" : \"uint8\"", "the field labels is uint8 of the shape []"),
    ("\"type\" : \"float32\"", "\"type\" : \"uint8\"", "images is uint8, which is not normalized"),
    ("        3,\n        1\n", "        3\n", "images is float32 of the shape [2, 3]"),
    ("        3,\n", "        0,\n", "shape [2, 0, 1], expected positive extents"),
    ("        3,\n", "        4611686018427387904,\n", "the field images has the shape"),
    ("        3,\n", "        461168601842738790,\n", "more than 2^63 bytes"),
    ("          0.001\n        ],\n        \"stored", "0],\n\"stored", "has the scale 0.0 for channel 0"),
    ("          99999.5", "1, 2", "the statistics of images are not those of 1 channels"),
    ("\"channels\" : 1", "\"channels\" : 2", "the variables of images have not its 1 channels together"),
    ("\"axis\" : 0", "\"axis\" : 1", "the coordinate lat of images does not fit"),
    ("\"name\" : \"labels\"", "\"name\" : \"images\"", "has two fields of one name"),
    ("\"name\" : \"labels\"", "\"name\" : \"a/b\"", "\"a/b\" is not the name of a field"),
    ("train-00001-of-00002.h5", "../secret.h5", "\"../secret.h5\" is not the name of a file beside it"),
    ("train-00001-of-00002.h5", "train-00000-of-00002.h5", "lists a shard twice"),
    ("f1f1", "", "expected 64 digits"),
    ("{", "", "not JSON"),
  ])
  func contradictionsAreNamed(old: String, new: String, problem: String) throws {
    try withTemporaryDirectory { directory in
      let range = try #require(Self.text.range(of: old))
      let text = Self.text.replacingCharacters(in: range, with: new)
      try write(Array(text.utf8), to: "\(directory)/dataset.json")
      let error = try #require(throws: DatasetError.self) { try DatasetManifest(directory: directory) }
      #expect(error.description.hasPrefix("\(directory)/dataset.json: "))
      #expect(error.description.contains(problem), "\(error)")
      #expect(error.kind == .badData)
    }
  }

  @Test func digestDependsOnEveryShard() throws {
    let digest = try manifest().digest
    #expect(digest.count == 64)
    #expect(try manifest().digest == digest)
    // Normalization decides what is read.
    for (old, new) in [
      ("0a0a", "0b0a"), ("f1f1", "f2f1"), ("0.001\n        ],\n        \"stored", "0.002],\n\"stored"),
    ] {
      #expect(try manifest(Self.text.replacingOccurrences(of: old, with: new)).digest != digest)
    }
  }

  @Test func sha256() throws {
    // FIPS 180-2, appendix B.1.
    let golden = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(SHA256.digest(of: "abc") == golden)
    try withTemporaryDirectory { directory in
      try write(Array("abc".utf8), to: "\(directory)/a")
      #expect(try SHA256.digest(ofFile: "\(directory)/a") == golden)
      // Longer than a piece that is read at once.
      let long = String(repeating: "0123456789", count: 250_000)
      try write(Array(long.utf8), to: "\(directory)/b")
      #expect(try SHA256.digest(ofFile: "\(directory)/b") == SHA256.digest(of: long))
      #expect(throws: FileError.self) { try SHA256.digest(ofFile: "\(directory)/c") }
    }
  }
}
