"""Reads tests/corpus/*.corpus; their format is described at their top."""

import pathlib
import re

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "corpus"

ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}

ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|repeat\((\d+),((?:\\.|[^)\\])*)\)|(.))|([^\\]+)", re.S)


class Case:
    """One case: .name, .data, and its header lines in .facts."""

    def __init__(self, name, facts, data):
        self.name = name
        self.facts = facts
        self.data = data

    def __getitem__(self, key):
        return self.facts[key]

    def __repr__(self):
        return self.name


def unescape(text):
    out = bytearray()
    for match in ESCAPE.finditer(text):
        hexadecimal, count, repeated, simple, plain = match.groups()
        if plain is not None:
            out += plain.encode("latin-1")
        elif hexadecimal is not None:
            out.append(int(hexadecimal, 16))
        elif count is not None:
            out += unescape(repeated) * int(count)
        else:
            out += ESCAPES[simple]
    return bytes(out)


def read_case(text):
    lines = [line for line in text.split("\n") if not line.startswith("## ") and line != "##"]
    divider = lines.index("---")
    facts = dict(re.split(r":\s*", line, maxsplit=1) for line in lines[1:divider] if line)
    return Case(lines[0].strip(), facts, unescape("".join(lines[divider + 1:])))


def read_corpus(name):
    """Every case of a file, in order. A file that is not there has none."""
    path = CORPUS / name
    if not path.exists():
        return []
    sections = re.split(r"^=== ", path.read_text(encoding="latin-1"), flags=re.M)
    return [read_case(section) for section in sections[1:]]
