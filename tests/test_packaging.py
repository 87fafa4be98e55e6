"""What pyproject.toml says of the package agrees with what the package says of itself."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
tomllib = pytest.importorskip("tomllib")  # since Python 3.11


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = settings["project"]
    return found


def test_extras_that_errors_and_texts_name_exist_and_bring_what_is_missing(
    project: dict[str, Any],
) -> None:
    extras = project["optional-dependencies"]
    named: dict[str, str] = {}
    for path in (ROOT / "mrl_adapters").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        named |= dict(re.findall(r'MissingExtraError\("([\w-]+)", "([\w-]+)"\)', text))
        named |= dict(re.findall(r'package, extra = "([\w-]+)", "([\w-]+)"', text))
    assert len(named) > 5
    for package, extra in named.items():
        assert extra in extras, package
        assert any(re.match(rf"{package}\b", each) for each in extras[extra]), (package, extra)
    texts = [ROOT / "README.md", *(ROOT / ".github" / "docs").rglob("*.md")]
    for path in texts:
        told = re.findall(r"'?\.\[([\w,-]+)\]'?", path.read_text(encoding="utf-8"))
        assert {each for names in told for each in names.split(",")} <= set(extras), path


def test_all_and_dev_bring_every_extra(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    [everything] = extras["all"]
    inside = set(re.findall(r"[\w-]+", everything.partition("[")[2]))
    others = {"rivals"}  # other vector stores, for the bench alone: nobody who uses ours needs them
    assert inside == set(extras) - {"all", "dev", *others}
    [first] = [each for each in extras["dev"] if each.startswith("mrl-adapters[")]
    heavy = {"sentence-transformers"}  # brings torch: its tests have a stand-in
    assert set(re.findall(r"[\w-]+", first.partition("[")[2])) == inside - heavy


def test_the_sdist_holds_what_its_tests_read(project: dict[str, Any]) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = set(settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert {"mrl_adapters", "tests", "examples", ".github"} <= held
    assert project["readme"] == "README.md"
