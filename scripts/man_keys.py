#!/usr/bin/env python3
"""Fills the keys of man/evergate.conf.5 in from the tables of docs/config.md.

    scripts/man_keys.py            writes the page
    scripts/man_keys.py --check    exit code 1 when the page is not what it would write

docs/config.md is held against the program's own tables by tests/unit/config/test_docs.c, so the man
page says the same as the program.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "man" / "evergate.conf.5"
DOCS = ROOT / "docs" / "config.md"
BEGIN = re.compile(r'^\.\\" keys: begin.*\n', re.MULTILINE)
END = '.\\" keys: end\n'
AT_START = "\u27f3"
NONE = "\u2014"
WIDTH = 78
TABLE = re.compile(r"^\| ([^|]*) \| type \| default.*\n\| ---.*\n((?:\|.*(?:\n|\Z))+)", re.MULTILINE)


def link(match):
    """What a link says without being one: the name of another page, which stands beside ours."""
    text, page = match[1], match[2].partition("#")[0]
    if text == "below":
        return "see config.md"
    if not page.endswith(".md") or text == page:
        return text
    return page if text == page.removesuffix(".md") else f"{text} ({page})"


def plain(text):
    """Markdown without links, emphasis and signs, as roff reads it."""
    text = re.sub(r"\[([^\]]*)\]\(([^)]*)\)", link, text)
    text = text.replace(AT_START, "").replace(NONE, "-").replace("\\|", "|")
    text = re.sub(r"(?<![\w`\"*])\*([\w ]+)\*(?![\w`])", r"\1", text)
    return re.sub(r"\s+", " ", text.replace("\\", "\\e")).strip()


def with_bold(text):
    """The same, with `code` in bold."""
    pieces = plain(text).split("`")
    return "".join(piece if i % 2 == 0 else f"\\fB{piece.replace('-', chr(92) + '-')}\\fR"
                   for i, piece in enumerate(pieces)).strip()


def lines_of(text):
    """A sentence begins on a line of its own; none begins with a dot or an apostrophe."""
    for sentence in re.split(r"(?<=[.;]) (?=[A-Z])", text):
        while len(sentence) > WIDTH and " " in sentence[:WIDTH]:
            at = sentence.rindex(" ", 0, WIDTH)
            yield guarded(sentence[:at])
            sentence = sentence[at + 1:]
        yield guarded(sentence)


def guarded(line):
    return "\\&" + line if line[:1] in ".'" else line


def item(row, condition):
    """The lines of one key."""
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
    key, kind, default, meaning = cells[0].strip("`"), cells[1], cells[2], cells[3]
    said = [plain(kind).replace("`", "")]
    if condition != "key":
        said.insert(0, f"with {condition}")
    if default in ("*required*", "*needed*"):
        said.append(default.strip("*"))
    elif default not in (NONE, ""):
        said.append("default: " + plain(default).replace("`", ""))
    if AT_START in meaning:
        said.append("at start")
    yield f".It Ic {key} No \\&({'; '.join(said)})"
    text = with_bold(meaning) or "See below."
    text = text[:1].upper() + text[1:] + ("" if text.endswith((".", ":")) else ".")
    yield from lines_of(text)


def section(title, text):
    """The lines of one section; none where it has no table of keys. Where keys depend on the value
    of another one, each value has a table, whose first column's title is that condition."""
    tables = list(TABLE.finditer(text))
    if not tables:
        return
    yield f".Ss {title}"
    before = with_bold(text[:tables[0].start()])
    if before:
        yield from lines_of(before)
    yield ".Bl -tag -width Ds"
    for table in tables:
        for row in table.group(2).splitlines():
            yield from item(row, plain(table.group(1)).replace("`", ""))
    yield ".El"


def keys(docs):
    lines = []
    for part in re.split(r"^(?=#{3,4} )", docs, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        lines += section(heading.lstrip("#").strip(), text)
    return "".join(line + "\n" for line in lines)


def main():
    page = PAGE.read_text(encoding="utf-8")
    begin = BEGIN.search(page)
    wanted = page[:begin.end()] + keys(DOCS.read_text(encoding="utf-8")) + page[page.index(END):]
    if "--check" not in sys.argv:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if page != wanted:
        print("man/evergate.conf.5 differs from docs/config.md: run scripts/man_keys.py",
              file=sys.stderr)
    return int(page != wanted)


if __name__ == "__main__":
    sys.exit(main())
