"""Every Python block of the README and of the pages runs, so that they never lie."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = ROOT / ".github" / "docs"
TEXTS = (README, *sorted(PAGES.rglob("*.md")))
_NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True)
class Section:
    """The Python of one section, on the lines where its file has it."""

    title: str
    source: str


def sections(text: str) -> list[Section]:
    """Collect the Python blocks under each second-level heading.

    A block that follows a comment ``<!-- not run: reason -->`` is left out.
    """
    found: dict[str, dict[int, str]] = {}
    title, inside, taken, before = "", "", False, ""
    for number, line in enumerate(text.splitlines()):
        if inside:
            if line.strip() == "```":
                inside, before = "", ""
            elif taken:
                found.setdefault(title, {})[number] = line
        elif line.startswith("```"):
            inside = line
            taken = line.strip() == "```python" and not _NOT_RUN.fullmatch(before)
        else:
            if line.startswith("## "):
                title = line.removeprefix("## ")
            before = line.strip() or before
    return [
        Section(name, "\n".join(lines.get(number, "") for number in range(max(lines) + 1)))
        for name, lines in found.items()
    ]


EXAMPLE = """# Title
```python
a = 1
```
## First
```sh
rm -rf /
```
```python
b = 2
```
### Below
```python
c = b
```
## Second
<!-- not run: needs a key -->

```python
d = 3
```
Words.
```python
e = 4
```
<!-- not run: -->
```python
f = 5
```
"""


def test_blocks_are_collected_by_section_on_their_own_lines() -> None:
    first, second, third = sections(EXAMPLE)
    assert (first.title, first.source.split()) == ("", ["a", "=", "1"])
    assert (second.title, second.source.split("\n")[9]) == ("First", "b = 2")
    assert second.source.endswith("c = b")
    assert "rm" not in second.source
    assert (third.title, third.source.split()) == ("Second", ["e", "=", "4", "f", "=", "5"])


def programs() -> list[object]:
    return [
        pytest.param(text, section, id=f"{text.stem}: {section.title}")
        for text in TEXTS
        for section in sections(text.read_text(encoding="utf-8"))
    ]


def test_the_readme_has_python_to_run() -> None:
    assert len(sections(README.read_text(encoding="utf-8"))) > 1


@pytest.mark.parametrize(("text", "section"), programs())
def test_a_sections_python_runs(text: Path, section: Section, tmp_path: Path) -> None:
    script = tmp_path / text.name
    script.write_text(section.source, encoding="utf-8")
    ended = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    if missing := re.search(r"(?:MissingExtraError|ModuleNotFoundError): (.*)", ended.stderr):
        pytest.skip(f"{text.name}, {section.title}: {missing[1]}")
    assert ended.returncode == 0, ended.stderr


def test_the_map_names_the_rooms_in_the_order_that_import_linter_enforces():
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    enforced = [set(re.findall(r"(?<!\()mrl_adapters\.(\w+)", layer)) for layer in layers]
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| room | what it is |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == enforced
    rooms = {path.stem for path in (ROOT / "mrl_adapters").iterdir()}
    assert set.union(*enforced) == rooms - {"__init__", "__main__", "__pycache__", "py"}
