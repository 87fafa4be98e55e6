"""Every shell block of the README and of the pages runs, or says here why it cannot."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from qdrant_client import QdrantClient, models
from test_pages import GUIDES, SHELL
from test_readme import ROOT

pytest.importorskip("typer")
pytest.importorskip("wordllama")

from typer.testing import CliRunner

from mrl_adapters.cli.app import app
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.maintenance import backup
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect

# What a line holds, and why it is not run here.
NOT_RUN = {
    r"--url http://localhost": "needs a server: the tests marked server run these commands",
    r"^docker run ": "needs docker",
    r"openai:": "needs a key",
    r"^python3 -m venv ": "run as printed by .ci/run",
    r"^pip install ": "installs: its extras are looked up below",
    r"^mrl-adapters demo\b": "serves until it is interrupted: run by tests/cli/test_demo.py",
    r"^mrl-adapters bench ": "takes an hour: by hand, on the machine that claims.md names",
}
_LONG = r"curve --rotated|recommend "
_WIDE = 512  # dimensions of vectors that nobody embedded
_POINTS = 300
_TEXTS = 3_000


@dataclass(frozen=True)
class Page:
    """The lines of one page that run, in their order, and those that do not, with the reason."""

    path: Path
    lines: tuple[str, ...]
    left_out: dict[str, str]


def lines_of(path: Path) -> list[str]:
    """Take the commands of a page's shell blocks, without what follows them as a comment."""
    blocks = SHELL.findall(path.read_text(encoding="utf-8"))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [stripped for line in lines if (stripped := re.sub(r"\s+# .*", "", line).strip())]


def pages() -> list[Page]:
    found = []
    for path in GUIDES:
        lines = lines_of(path)
        why = {
            line: reason
            for line in lines
            for pattern, reason in NOT_RUN.items()
            if re.search(pattern, line)
        }
        found.append(Page(path, tuple(line for line in lines if line not in why), why))
    return found


def to_run() -> list[object]:
    return [
        pytest.param(
            page,
            id=page.path.stem,
            marks=[pytest.mark.slow] if any(re.search(_LONG, each) for each in page.lines) else [],
        )
        for page in pages()
        if page.lines
    ]


@cache
def texts() -> list[str]:
    """Take more than a plan for overlap 0.99 needs for its proof."""
    return [f"{entry.id}: {entry.summary}" for entry in islice(docstrings(), _TEXTS)]


def write_files() -> None:
    """Write into the current folder what the pages' commands read."""
    for name in ("notes", "docs"):
        Path(name).mkdir()
        Path(name, "one.md").write_text("# Disks\n\nError E4021: the disk is full.\n", "utf-8")
    Path("notes.txt").write_text("Reset your password on the first page.\n", "utf-8")
    lines = [json.dumps({"id": str(row), "text": text}) for row, text in enumerate(texts())]
    for name in ("texts", "docs", "faq"):
        Path(f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    Path("questions.txt").write_text("\n".join(f"How to {text}" for text in texts()), "utf-8")
    np.save("vectors.npy", wide(_TEXTS))


def usual_folder() -> Path:
    """Where commands keep collections that name no place."""
    return Path(platformdirs.user_data_path("mrl-adapters"), "collections")


def wide(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, _WIDE))[rng.integers(20, size=count)]
    return (centres + 0.3 * rng.standard_normal((count, _WIDE))).astype(np.float32)


def embedded(folder: Path) -> None:
    """Make a collection "docs" of texts."""
    embedder = WordLlamaEmbedder()
    layout = CollectionLayout(embedder.dimensions, (64,), model=embedder.model)
    with connect(path=folder) as client:
        MatryoshkaVectorStore(client, "docs", embedder, layout=layout).add_texts(texts())


def given(folder: Path, count: int = _POINTS) -> None:
    """Make a collection "docs" of long vectors, here and in qdrant-client's local mode."""
    rows = wide(count)
    with connect(path=folder) as client:
        docs = MatryoshkaCollection("docs", layout=CollectionLayout(_WIDE, ()))
        Driver(client).run(docs.add(list(range(count)), rows, [{}] * count))
        backup(client, "docs", Path("docs.backup"))
    local = QdrantClient(path="qdrant_data")
    params = models.VectorParams(size=_WIDE, distance=models.Distance.COSINE)
    local.create_collection("docs", params)
    points = [models.PointStruct(id=row, vector=rows[row].tolist()) for row in range(count)]
    local.upsert("docs", points)
    local.close()


MADE: dict[str, Callable[[Path], None]] = {
    "choosing_dimensions": embedded,
    "hybrid": lambda _: embedded(Path("vectors")),
    "late_interaction": lambda _: embedded(Path("vectors")),
    "layouts": lambda folder: given(folder, _TEXTS),  # enough queries for a proof
    "migrate": lambda _: given(Path("elsewhere")),
    "backup": lambda _: given(Path("elsewhere")),
}


@pytest.mark.parametrize("page", to_run())
def test_a_pages_commands_run(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    write_files()
    MADE.get(page.path.stem, lambda _: None)(usual_folder())
    for line in page.lines:
        name, *arguments = shlex.split(line)
        assert name == "mrl-adapters", f"{line}: run it, or say in NOT_RUN why not"
        done = CliRunner().invoke(app, arguments, input="y\n")
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"


def test_what_is_left_out_is_left_out_for_a_reason_that_stands() -> None:
    lines = [line for page in pages() for line in page.left_out]
    for pattern in NOT_RUN:
        assert any(re.search(pattern, line) for line in lines), f"nothing has {pattern} any more"


def test_pip_lines_install_from_a_checkout_what_exists() -> None:
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = settings["project"]["optional-dependencies"]
    for path in GUIDES:
        for named in re.findall(r"pip install [^`\n]*?'([^']+)'", path.read_text("utf-8")):
            if match := re.fullmatch(r"\.\[([\w,-]+)\]", named):
                assert {*match[1].split(",")} <= {*extras}, f"{path.name}: {named}"
            else:
                # What the command line prints, and nothing that an index would be asked for.
                assert named in {"mrl-adapters[...]", ".[...]"}, f"{path.name}: {named}"


def test_extras_that_errors_name_exist() -> None:
    tomllib = pytest.importorskip("tomllib")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = {*settings["project"]["optional-dependencies"]}
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "mrl_adapters").rglob("*.py")
    )
    named = {
        *re.findall(r"""MissingExtraError\([^,()]+, ["']([\w-]+)""", source),
        *re.findall(r'\bextra = (?:"[\w-]+", )?"([\w-]+)"', source),
        *re.findall(r"mrl-adapters\[([\w,-]+)\]", source),
    }
    assert {each for joined in named for each in joined.split(",")} <= extras
    assert {"llama-index", "langchain", "static", "openai", "files", "demo"} <= named
