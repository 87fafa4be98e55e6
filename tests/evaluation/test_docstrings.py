"""The built-in corpus."""

import sysconfig
import time
from pathlib import Path

import pytest

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation import Dataset, docstring_dataset
from mrl_adapters.evaluation.docstrings import Docstring, docstrings


@pytest.fixture(scope="module")
def corpus() -> dict[str, Docstring]:
    return {entry.id: entry for entry in docstrings()}


def test_the_standard_library_gives_thousands_of_texts(corpus: dict[str, Docstring]) -> None:
    assert len(corpus) > 3000
    assert {entry.kind for entry in corpus.values()} == {"module", "class", "function", "method"}


def test_it_is_read_within_seconds_in_the_same_order_with_unique_ids(
    corpus: dict[str, Docstring],
) -> None:
    start = time.perf_counter()
    again = list(docstrings())
    assert time.perf_counter() - start < 20
    assert again == list(corpus.values())


def test_a_function_of_a_well_known_module_is_complete(corpus: dict[str, Docstring]) -> None:
    entry = corpus["shutil.copytree"]
    assert entry.kind == "function"
    assert entry.signature.startswith("shutil.copytree(src, dst, symlinks=False")
    assert (
        entry.summary == "Recursively copy a directory tree and return the destination directory."
    )
    assert "symlinks" in entry.body
    assert entry.text.startswith(f"{entry.signature}\n\n{entry.summary}")
    assert entry.path == "shutil.py"


def test_modules_below_packages_and_methods_are_part_of_it(corpus: dict[str, Docstring]) -> None:
    assert corpus["logging.handlers"].kind == "module"
    assert corpus["http.client.HTTPConnection.request"].kind == "method"
    assert "self" not in corpus["http.client.HTTPConnection.request"].signature


def test_tests_and_installed_packages_are_not_part_of_it(corpus: dict[str, Docstring]) -> None:
    parts = {part for entry in corpus.values() for part in Path(entry.path).parts}
    assert parts.isdisjoint({"test", "tests", "idle_test", "site-packages", "__pycache__"})
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    assert all((stdlib / entry.path).is_file() for entry in corpus.values())


def test_nothing_that_is_read_is_run(tmp_path: Path) -> None:
    (tmp_path / "danger.py").write_text('"""Do harm."""\nraise SystemExit("was run")\n')
    assert [entry.id for entry in docstrings(tmp_path)] == ["danger"]


def test_files_that_cannot_be_parsed_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "nul.py").write_bytes(b"x = 1\0")
    (tmp_path / "encoding.py").write_bytes(b'"""caf\xe9"""\n')
    (tmp_path / "good.py").write_bytes(b'# coding: latin-1\n"""caf\xe9"""\n')
    (tmp_path / "escape.py").write_text('"""A lone \\ud800 surrogate and \\d."""\n')
    entries = {entry.id: entry for entry in docstrings(tmp_path)}
    assert set(entries) == {"good", "escape"}
    assert entries["good"].text == "good\n\ncafé"
    entries["escape"].text.encode("utf-8")


def test_names_are_read_as_one_would_call_them(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text('"""Package."""\n')
    (package / "mod.py").write_text(
        "if True:\n"
        "    def twice(a: int, /, b: str = '') -> None:\n"
        "        '''First.'''\n"
        "        def inner():\n"
        "            '''Unreachable.'''\n"
        "else:\n"
        "    def twice(): '''Second.'''\n"
        "def _private(): '''Hidden.'''\n"
        "def silent(): pass\n"
        "def many(" + ", ".join(f"argument_{i}" for i in range(40)) + "): '''Many.'''\n"
        "class C:\n"
        "    @property\n"
        "    def size(self): '''Size.'''\n"
        "    @staticmethod\n"
        "    def make(x): '''Make.'''\n"
        "    @classmethod\n"
        "    async def build(cls, *args, key=1): '''Build.'''\n"
        "    def plain(self, /, x): '''Plain.'''\n"
    )
    signatures = {entry.id: entry.signature for entry in docstrings(tmp_path)}
    assert signatures == {
        "pack": "pack",
        "pack.mod.twice": "pack.mod.twice(a, /, b='')",
        "pack.mod.many": "pack.mod.many(...)",
        "pack.mod.C.size": "pack.mod.C.size",
        "pack.mod.C.make": "pack.mod.C.make(x)",
        "pack.mod.C.build": "pack.mod.C.build(*args, key=1)",
        "pack.mod.C.plain": "pack.mod.C.plain(x)",
    }


def test_a_folder_without_sources_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No Python source file below .* Pass folder="):
        list(docstrings(tmp_path))


def test_the_judged_set_asks_by_summary_for_the_body(judged_docstrings: Dataset) -> None:
    dataset = judged_docstrings
    assert len(dataset.queries) == len(dataset.documents) == len(dataset.qrels) > 1000
    assert dataset.queries["shutil.copytree"].startswith("Recursively copy a directory tree")
    assert "symlinks" in dataset.documents["shutil.copytree"]
    assert dataset.qrels["shutil.copytree"] == {"shutil.copytree": 1}


def test_what_occurs_twice_judges_nothing(tmp_path: Path) -> None:
    body = "A body of more than eight words, so that it would count."
    (tmp_path / "m.py").write_text(
        f"def a(): '''The same summary.\n\n    {body} One.'''\n"
        f"def b(): '''The  same SUMMARY.\n\n    {body} Two.'''\n"
        f"def c(): '''Another summary of c.\n\n    {body} Three.'''\n"
        f"def d(): '''A summary of d.\n\n    {body} three.'''\n"
        f"def e(): '''The only honest one.\n\n    {body} Five.'''\n"
        f"def f(): '''Too short a body.\n\n    Indeed.'''\n"
    )
    assert list(docstring_dataset(tmp_path).documents) == ["m.e"]
