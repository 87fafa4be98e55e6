import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrl_adapters import ConfigurationError, MissingExtraError
from mrl_adapters.cli import files
from mrl_adapters.cli.files import find_files, read_file


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_folders_give_their_texts_and_nothing_hidden(notes: Path) -> None:
    write(notes, ".draft.txt", "hidden")
    write(notes, "program.py", "code")
    (notes / ".git").mkdir()
    write(notes / ".git", "log.txt", "hidden")
    assert [path.name for path in find_files([notes])] == [
        "animals.txt",
        "trains.md",
        "records.jsonl",
    ]


def test_a_path_given_twice_counts_once(notes: Path) -> None:
    assert len(find_files([notes, notes / "animals.txt", notes / "deep"])) == 3


def test_suffixes_may_be_upper_case(tmp_path: Path) -> None:
    path = write(tmp_path, "README.MD", "# Title\n\ntext")
    assert find_files([tmp_path]) == [path]
    assert read_file(path).passages[0].title == "Title"


@pytest.mark.parametrize(
    ("name", "complaint"), [("gone.txt", "does not exist"), ("a.pdf", "not a text")]
)
def test_files_that_cannot_be_indexed_are_refused(
    tmp_path: Path, name: str, complaint: str
) -> None:
    write(tmp_path, "a.pdf", "")
    with pytest.raises(ConfigurationError, match=complaint):
        find_files([tmp_path / name])


def test_a_passage_knows_its_line(tmp_path: Path) -> None:
    lines = [f"Line {number} tells of things that happened then." for number in range(1, 101)]
    passages = read_file(write(tmp_path, "a.txt", "\n".join(lines))).passages
    assert len(passages) > 3
    for passage in passages:
        assert passage.text.startswith(f"Line {passage.line} ")
        assert passage.title == "a.txt"


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert read_file(path).passages[0].text == "hello"


def test_markdown_passages_are_titled_by_the_headings_above(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "before any heading " * 30,
            "# Guide",
            "guide " * 130,
            "## Install ##",
            "install " * 95,
            "```sh",
            "# not a heading",
            "code " * 150,
            "```",
            "after " * 130,
            "# Licence",
            "licence " * 95,
        ]
    )
    passages = read_file(write(tmp_path, "a.md", text)).passages

    def titles(word: str) -> set[str]:
        return {each.title for each in passages if each.text.count(word) > 5}

    assert titles("before") == {"a.md"}
    assert titles("guide") == {"Guide"}
    assert titles("install") == titles("code") == titles("after") == {"Guide > Install"}
    assert titles("licence") == {"Licence"}


def test_a_hash_in_a_text_file_is_no_heading(tmp_path: Path) -> None:
    assert (
        read_file(write(tmp_path, "a.txt", "# not Markdown\n\ntext")).passages[0].title == "a.txt"
    )


def test_each_json_line_is_a_document_with_its_title(notes: Path) -> None:
    moon, sun = read_file(notes / "records.jsonl").passages
    assert (moon.text, moon.title, moon.line) == ("Moon The moon circles the earth.", "moon", None)
    assert (sun.text, sun.title) == ("The sun shines by day.", "2")


@pytest.mark.parametrize("content", ["", "  \n\n", "-----\n***\n"])
def test_a_file_that_says_nothing_has_no_passage(tmp_path: Path, content: str) -> None:
    assert read_file(write(tmp_path, "a.md", content)).passages == ()


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("Käse".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"latin\.txt cannot be read as UTF-8"):
        read_file(path)


def test_a_missing_splitter_says_what_to_install(
    notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "langchain_text_splitters", None)
    files._splitter.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'mrl-adapters\[cli\]'"):
        read_file(notes / "animals.txt")


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first = read_file(write(tmp_path, "a.txt", "one")).digest
    assert read_file(write(tmp_path, "a.txt", "two")).digest != first
    assert read_file(write(tmp_path, "a.txt", "one")).digest == first


_WORDS = st.lists(st.sampled_from(["bee", "cow\n", "# dog\n", "\n\n", "```\n", "- ", "x" * 900]))


@settings(max_examples=50, deadline=None)
@given(words=_WORDS, name=st.sampled_from(["a.txt", "a.md"]))
def test_passages_are_pieces_of_the_text_of_bounded_length_that_lose_no_word(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], name: str
) -> None:
    text = " ".join(words)
    passages = read_file(write(tmp_path_factory.mktemp("texts"), name, text)).passages
    for passage in passages:
        assert passage.text in text
        assert len(passage.text) <= 800
        assert passage.line is not None
        assert 1 <= passage.line <= text.count("\n") + 1
    kept = "".join(passage.text for passage in passages)
    assert all(kept.count(animal) >= text.count(animal) for animal in ("bee", "cow", "dog"))
