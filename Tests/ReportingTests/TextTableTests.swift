import Reporting
import Testing

@Suite struct TextTableTests {
  @Test func textIsOnTheLeftAndNumbersOnTheRight() {
    var table = TextTable(["name", "kind", "count"], textColumns: 2)
    table.add(["a", "long kind", "7"])
    table.add(["longer", "", "123456"])
    #expect(
      table.text == """
        name    kind        count
        a       long kind       7
        longer             123456

        """)
  }

  @Test func linesEndWithTheirLastCell() {
    var table = TextTable(["a", "b"])
    table.add(["1", ""])
    #expect(table.text == "a  b\n1\n")
  }
}
