import Foundation

typealias Point = SIMD2<Double>

/// The classes of the `shapes` dataset.
enum Shape: String, CaseIterable {
  case circle, square, triangle, star, ring, cross, heart, crescent

  /// The shape, within the unit circle around the origin.
  var outline: Outline {
    switch self {
    case .circle:
      return .circle(radius: 0.9)
    case .ring:
      return .ring(outer: 0.95, inner: 0.52)
    case .crescent:
      return .crescent(radius: 0.95, bite: 0.8, shift: 0.48)
    case .square:
      return .polygon(Self.regular(radii: [1], corners: 4))
    case .triangle:
      return .polygon(Self.regular(radii: [1], corners: 3))
    case .star:
      return .polygon(Self.regular(radii: [1, 0.42], corners: 10))
    case .cross:
      let (arm, half) = (0.94, 0.3)
      let quarter = [Point(arm, -half), Point(arm, half), Point(half, half)]
      return .polygon(
        (0..<4).flatMap { turn in
          quarter.map { point in
            (0..<turn).reduce(point) { turned, _ in Point(-turned.y, turned.x) }
          }
        })
    case .heart:
      let corners = 48
      return .polygon(
        (0..<corners).map { corner in
          let t = 2 * Double.pi * Double(corner) / Double(corners)
          let x = 16 * pow(sin(t), 3)
          let y = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)
          return Point(x, -y) / 17
        })
    }
  }

  /// Corners at equal angles around the origin, the first at the top, cycling through the radii.
  private static func regular(radii: [Double], corners: Int) -> [Point] {
    (0..<corners).map { corner in
      let angle = 2 * Double.pi * Double(corner) / Double(corners)
      return radii[corner % radii.count] * Point(sin(angle), -cos(angle))
    }
  }
}

/// The edge of a shape.
enum Outline: Sendable {
  case circle(radius: Double)
  case ring(outer: Double, inner: Double)
  /// A circle minus another of radius `bite`, shifted right by `shift`.
  case crescent(radius: Double, bite: Double, shift: Double)
  case polygon([Point])

  /// The signed distance of `point` from the edge; negative inside.
  func distance(to point: Point) -> Double {
    switch self {
    case .circle(let radius):
      return length(point) - radius
    case .ring(let outer, let inner):
      return max(length(point) - outer, inner - length(point))
    case .crescent(let radius, let bite, let shift):
      return max(length(point) - radius, bite - length(point - Point(shift, 0)))
    case .polygon(let corners):
      var squared = Double.infinity
      var isInside = false
      var previous = corners[corners.count - 1]
      for corner in corners {
        let (side, offset) = (corner - previous, point - previous)
        let along = min(max((side * offset).sum() / (side * side).sum(), 0), 1)
        let gap = offset - along * side
        squared = min(squared, (gap * gap).sum())
        // A ray to the right crosses this side: toggle inside and outside.
        if (previous.y > point.y) != (corner.y > point.y),
          point.x < previous.x + side.x * offset.y / side.y
        {
          isInside.toggle()
        }
        previous = corner
      }
      return isInside ? -squared.squareRoot() : squared.squareRoot()
    }
  }

  private func length(_ point: Point) -> Double { (point * point).sum().squareRoot() }
}
