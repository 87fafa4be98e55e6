"""Files of every kind that is read: what they say arrives, with titles and places."""

import io
import sys
import zipfile
from pathlib import Path

import pytest

from mrl_adapters import ConfigurationError, MissingExtraError
from mrl_adapters.cli.files import read_file
from mrl_adapters.cli.loaders import EXPECTED, SUFFIXES

HTML = """<html><head><title>T</title><style>p {}</style></head><body>
<h1>Guide</h1><p>How to <a href="/x">install</a> snake_case.</p><script>var hidden;</script>
<h2>Copy</h2><ul><li>one</li></ul><pre>cp -r a b</pre></body></html>"""
MARKDOWN = """# Guide

How to install snake_case.

## Copy

* one

```
cp -r a b
```"""
RST = """=====
Guide
=====

Intro words.

Install
-------

.. note:: keep this :func:`word`

Deeper
~~~~~~

below words
"""
CSV = 'name;says\nbee;"hums\nloudly"\n;\ncow;moos\n'
PYTHON = "import os\n\n\nclass Bee:\n    def hum(self):\n        return 'hum'\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pdf(*pages: str) -> bytes:
    """Write a PDF by hand, as small as one can be."""
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    ]
    for n, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        font = "<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
        page = f"/Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {4 + 2 * n} 0 R"
        objects += [
            f"<< {page} /Resources << /Font {font} >> >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, places = "%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{each}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    return f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode()


def docx(*paragraphs: tuple[str, str]) -> bytes:
    """Write a Word document by hand: styles and texts."""
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}">'
        f'<w:name w:val="heading {n}"/></w:style>'
        for n in (1, 2)
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f"<w:document {word}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {word}>{styles}</w:styles>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, f'<?xml version="1.0"?>{text}')
    return out.getvalue()


NOTEBOOK = """{"cells": [
 {"cell_type": "markdown", "metadata": {}, "source": ["# Bees\\n", "They hum."]},
 {"cell_type": "code", "metadata": {}, "source": "hum()", "outputs": [], "execution_count": 1}],
 "metadata": {"kernelspec": {"language": "python", "name": "x", "display_name": "x"}},
 "nbformat": 4, "nbformat_minor": 5}"""
GIVEN: dict[str, tuple[str | bytes, list[tuple[str, int | None, str]]]] = {
    "a.csv": (CSV, [("a.csv, row 1", 2, "name: bee\nsays: hums\nloudly"),
                    ("a.csv, row 3", 5, "name: cow\nsays: moos")]),
    "a.tsv": ("animal\nbee\n", [("a.tsv, row 1", 2, "animal: bee")]),
    "a.html": (HTML, [("Guide", None, MARKDOWN)]),
    "a.rst": (RST, [("Guide", 1, RST.strip())]),
    "a.py": (PYTHON, [("a.py", 1, PYTHON.strip())]),
    "a.pdf": (pdf("Bees hum.", "Cows moo."), [("a.pdf, page 1", None, "Bees hum."),
                                              ("a.pdf, page 2", None, "Cows moo.")]),
    "a.docx": (docx(("Heading1", "Bees"), ("Normal", "They hum.")),
               [("Bees", None, "# Bees\n\nThey hum.")]),
    "a.ipynb": (NOTEBOOK, [("Bees", None, "# Bees\nThey hum.\n\n```python\nhum()\n```")]),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_a_file_of_each_kind_is_read(tmp_path: Path, name: str) -> None:
    content, expected = GIVEN[name]
    passages = read_file(write(tmp_path, name, content)).passages
    assert [(each.title, each.line, each.text) for each in passages] == expected


def test_a_table_without_headings_gets_no_empty_ones(tmp_path: Path) -> None:
    rows = "<tr><td>bee</td><td>hums</td></tr><tr><td>cow</td><td>moos</td></tr>"
    (only,) = read_file(write(tmp_path, "a.html", f"<table>{rows}</table>")).passages
    assert only.text == "| bee | hums |\n| --- | --- |\n| cow | moos |"


def test_headings_of_restructured_text_are_told_with_those_above(tmp_path: Path) -> None:
    text = RST.replace("words", "words " * 150)
    titles = [each.title for each in read_file(write(tmp_path, "a.rst", text)).passages]
    assert titles[0] == "Guide"
    assert titles[-1] == "Guide > Install > Deeper"


def test_source_files_are_cut_between_their_parts(tmp_path: Path) -> None:
    program = "".join(f"def f{n}():\n    return '{'x' * 300}'\n\n\n" for n in range(6))
    passages = read_file(write(tmp_path, "a.py", program)).passages
    assert all(each.text.startswith("def f") for each in passages)
    assert [each.line for each in passages] == [1, 9, 17]


@pytest.mark.parametrize("name", [name for name in GIVEN if name[-3:] not in {"csv", "tsv", "tml"}])
def test_what_is_not_what_its_name_says_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, b"\xff\xfe\x00 broken" * 10)
    with pytest.raises(ConfigurationError, match=f"{name} cannot be read as .*leave it out"):
        read_file(path)


@pytest.mark.parametrize(
    ("name", "package"),
    [("a.html", "markdownify"), ("a.docx", "mammoth"), ("a.pdf", "pypdf"), ("a.ipynb", "nbformat")],
)
def test_a_missing_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*mrl-adapters\[files\]"):
        read_file(write(tmp_path, name, GIVEN[name][0]))


def test_a_page_without_text_counts_as_blank(tmp_path: Path) -> None:
    file = read_file(write(tmp_path, "scan.pdf", pdf("", "Bees hum.")))
    assert (file.blank, len(file.passages)) == (1, 1)


def test_what_messages_call_kinds_are_kinds() -> None:
    named = {word.strip(",") for word in EXPECTED.split() if word.startswith(".")}
    assert named <= SUFFIXES
