"""README, pages and the map of the code: links lead somewhere, commands exist, pages are named."""

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from test_readme import PAGES, ROOT, TEXTS

typer = pytest.importorskip("typer")
GUIDES = (
    *TEXTS,
    *sorted((ROOT / "examples").glob("*.md")),
    ROOT / ".github" / "CONTRIBUTING.md",
)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Make of headings the anchors that GitHub, and the site, make of them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def shell_commands() -> list[object]:
    """List the lines of shell blocks that call this package's command, and those of claims."""
    claims = (PAGES / "claims.md").read_text(encoding="utf-8")
    blocks = [
        pytest.param(line, id=f"{path.stem}: {line[:60]}")
        for path in GUIDES
        for block in SHELL.findall(path.read_text(encoding="utf-8"))
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("mrl-adapters ")
    ]
    return [*re.findall(r"`(mrl-adapters [^`]+)`", claims), *blocks]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    text = _FENCED.sub("", path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text)
    for link in (first or second for first, second in links):
        address = urlsplit(link)
        if address.scheme:
            assert address.scheme == "https" or address.hostname in {"localhost", "127.0.0.1"}
            continue
        target = path.parent / address.path if address.path else path
        assert target.exists(), f"{path.name}: {link}"
        if address.fragment and target.suffix == ".md":
            assert address.fragment in anchors(target.read_text(encoding="utf-8")), link


def test_every_page_is_in_the_navigation() -> None:
    settings = (ROOT / ".github" / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ +- ([\w/]+\.md)$", settings, re.MULTILINE)
    assert sorted(named) == sorted(str(path.relative_to(PAGES)) for path in PAGES.rglob("*.md"))


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(TEXTS[0].read_text(encoding="utf-8").splitlines()) <= 160


@pytest.mark.parametrize("line", shell_commands())
def test_a_printed_command_is_one_that_the_command_line_takes(line: str) -> None:
    from mrl_adapters.cli.app import app

    name, *arguments = shlex.split(line, comments=True)[1:]
    commands: dict[str, Any] = typer.main.get_command(app).commands
    with commands[name].make_context(name, arguments) as context:
        assert context.params


def test_every_error_and_warning_is_in_the_troubleshooting() -> None:
    page = (PAGES / "troubleshooting.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    files = (ROOT / "mrl_adapters").rglob("*.py")
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    kinds = re.findall(r"^class ([A-Z]\w+(?:Error|Warning))\((.*?)\):", source, re.MULTILINE)
    # What is no MRLError is caught inside and never seen.
    assert told == {name for name, bases in kinds if bases != "Exception" or name == "MRLError"}


def test_commands_that_claims_stand_on_are_there() -> None:
    page = (PAGES / "claims.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    for row in rows:
        *_, status = (cell.strip() for cell in row.strip("| ").split("|"))
        assert status.startswith(("CI", "by hand", "needs a server")), row
        for path in re.findall(r"(?:tests|examples)/[\w/.]+", row):
            assert (ROOT / path).exists(), path
