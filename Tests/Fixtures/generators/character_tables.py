"""Writes two Swift sources of tables: the names of HTML's character references, and the characters of text that was
decoded with the wrong character set.

    python3 character_tables.py

needs ftfy. The committed files were written with Python 3.11 and ftfy 6.3.1 (Apache License 2.0), whose classes of
characters the second file lists.
"""

import html.entities
import pathlib
import re

import ftfy.bad_codecs  # noqa: F401, registers the sloppy character sets
from ftfy import badness, chardata

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "Sources" / "Text" / "Cleaning"
WIDTH = 106


def wrapped(words):
    lines, line = [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return lines + [line]


def literal(words, indent):
    lines = wrapped(words)
    body = " \\\n".join(f"{indent}{line}" for line in lines)
    return f'"""\n{body}\n{indent}"""'


def points(text):
    return "+".join(f"{ord(c):x}" for c in text)


def entities():
    names = html.entities.html5
    words = []
    for name in sorted(names):
        if name.endswith(";"):
            legacy = "!" if name[:-1] in names else ""
            words.append(f"{legacy}{name[:-1]}={points(names[name])}")
        else:
            assert names[name] == names[name + ";"]
    return f"""// Written by Tests/Fixtures/generators/character_tables.py.

extension HTMLEntities {{
  /// The named character references of HTML (WHATWG, https://html.spec.whatwg.org/#named-character-references), each
  /// with its scalars in hexadecimal; those behind an exclamation mark are also valid without a semicolon.
  static let names = {literal(words, "    ")}
}}
"""


def members(pattern):
    """The characters that a class of a regular expression holds."""
    test = re.compile(f"[{pattern}]")
    return [c for c in range(0x110000) if test.match(chr(c))]


def ranges(numbers):
    numbers, result = sorted(numbers), []
    for number in numbers:
        if result and result[-1][1] == number - 1:
            result[-1][1] = number
        else:
            result.append([number, number])
    return [f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in result]


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def mojibake():
    upper = []
    for name in chardata.CHARMAP_ENCODINGS:
        high = bytes(range(0x80, 0x100)).decode(name)
        sloppy = "true" if name.startswith("sloppy") else "false"
        text = literal([f"{ord(c):x}" for c in high], "        ")
        upper.append(f'    CharacterSet8(\n      name: "{name}", isSloppy: {sloppy},\n      upperHalf: {text}),')
    classes = []
    for table, prefix in ((badness.MOJIBAKE_CATEGORIES, ""), (chardata.UTF8_CLUES, "")):
        for name, pattern in table.items():
            words = literal(ranges(members(pattern)), "      ")
            classes.append(f"    (\n      .{camel(prefix + name)},\n      {words}\n    ),")
    newline = "\n"
    return f"""// Written by Tests/Fixtures/generators/character_tables.py.

extension Mojibake {{
  /// The character sets that text is often decoded with by mistake, in the order in which they are tried.
  static let characterSets = [
{newline.join(upper)}
  ]

  /// The classes of characters that tell such text, with their scalars in hexadecimal.
  static let classTable: [(CharacterClass, String)] = [
{newline.join(classes)}
  ]
}}
"""


(FOLDER / "HTMLEntities+Names.swift").write_text(entities())
(FOLDER / "Mojibake+Tables.swift").write_text(mojibake())
