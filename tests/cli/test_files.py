import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrl_adapters import ConfigurationError, MissingExtraError
from mrl_adapters.cli.files import read_file
from mrl_adapters.cli.passages import Cutting, _splitter


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


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
    _splitter.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'mrl-adapters\[cli\]'"):
        read_file(notes / "animals.txt")


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first = read_file(write(tmp_path, "a.txt", "one")).digest
    assert read_file(write(tmp_path, "a.txt", "two")).digest != first
    assert read_file(write(tmp_path, "a.txt", "one")).digest == first


_LINES = {
    "no object": "12",
    "a list": '["text"]',
    "no text": '{"body": "x"}',
    "text that is null": '{"text": null}',
    "text that is a list": '{"text": ["a"]}',
    "text that is not a number": '{"text": NaN}',
    "a title that is a list": '{"text": "x", "title": ["y"]}',
    "an id that is a list": '{"text": "x", "id": [1]}',
    "an id that is not a number": '{"text": "x", "id": NaN}',
    "an id that is a truth": '{"text": "x", "id": true}',
    "half a surrogate pair": '{"text": "\\ud800"}',
    "half a pair as id": '{"text": "x", "id": "\\udc00"}',
    "no JSON": "{text: x}",
    "nested too deeply": "[" * 100_000,
    "more digits than Python reads": "1" * 5_000,
}


@pytest.mark.parametrize("line", _LINES.values(), ids=_LINES)
def test_a_line_that_is_no_document_is_named_with_its_file(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, "a.jsonl", f'"good"\n{line}\n')
    with pytest.raises(ConfigurationError, match=r"a\.jsonl, line 2") as caught:
        read_file(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "ids",
    [
        ['"guide"', '"guide"'],
        ["1", '"1"', "1.0"],
        ['"00000000-0000-0000-0000-00000000000A"', '"0000000000000000000000000000000a"'],
        ["null", "null"],
        ["2", "null"],
    ],
)
def test_lines_that_share_an_id_are_kept_apart(tmp_path: Path, ids: list[str]) -> None:
    lines = [f'{{"id": {key}, "text": "text {n}"}}' for n, key in enumerate(ids)]
    passages = read_file(write(tmp_path, "a.jsonl", "\n".join(lines))).passages
    assert [each.text for each in passages] == [f"text {n}" for n in range(len(ids))]


@settings(max_examples=60, deadline=None)
@given(
    ids=st.lists(st.none() | st.integers(0, 3) | st.sampled_from(["", "0", "1", "2", "a"])),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_no_line_is_lost_whatever_the_ids_and_ends_of_lines(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str | int | None], end: str, mark: str
) -> None:
    lines = [json.dumps({"id": key, "text": f"text {n}"}) for n, key in enumerate(ids)]
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes((mark + end.join(lines)).encode())
    assert [each.text for each in read_file(path).passages] == [
        f"text {n}" for n in range(len(ids))
    ]


def test_a_huge_line_is_cut_like_any_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", json.dumps({"id": "big", "text": "word " * 200_000}))
    passages = read_file(path).passages
    assert len(passages) > 1_000
    assert {each.title for each in passages} == {"big"}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "a.txt")
    with pytest.raises(ConfigurationError, match="no regular file"):
        read_file(tmp_path / "a.txt")


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
        # Whole blocks of code may be longer, and what is joined to its neighbour.
        assert len(passage.text) <= (4 * 800 if "```" in passage.text else 800) + 40 + 80
        assert passage.line is not None
        assert 1 <= passage.line <= text.count("\n") + 1
    kept = "".join(passage.text for passage in passages)
    assert all(kept.count(animal) >= text.count(animal) for animal in ("bee", "cow", "dog"))


_CODE = "".join(f"step_{number}()\n" for number in range(100))
_BLOCK = f"```python\n{_CODE}```"


@pytest.mark.parametrize(
    "text",
    [
        f"{'before ' * 200}\n\n{_BLOCK}\n\n{'after ' * 200}",
        f"{_BLOCK}\n\n{_BLOCK}",
        f"Do this:\n\n{_BLOCK}\n",
    ],
)
def test_a_block_of_code_is_kept_whole(tmp_path: Path, text: str) -> None:
    passages = read_file(write(tmp_path, "a.md", text)).passages
    assert sum(_BLOCK in passage.text for passage in passages) == text.count(_BLOCK)
    assert sum("step_7()" in passage.text for passage in passages) == text.count(_BLOCK)
    assert all(len(each.text) <= 800 for each in passages if _BLOCK not in each.text)


def test_a_block_of_code_too_long_for_a_model_is_cut(tmp_path: Path) -> None:
    passages = read_file(write(tmp_path, "a.md", f"```\n{_CODE * 9}```\n")).passages
    assert len(passages) > 9
    assert all(len(passage.text) <= 840 for passage in passages)


def test_a_short_block_stays_with_what_introduces_and_follows_it(tmp_path: Path) -> None:
    text = "Copy the tree:\n\n```sh\ncp -r a b\n```\n\nThat is all of it."
    assert [each.text for each in read_file(write(tmp_path, "a.md", text)).passages] == [text]


def test_size_overlap_and_the_least_size_are_as_asked(tmp_path: Path) -> None:
    text = "\n\n".join(["tiny", *(f"{n} " + "word " * 31 for n in range(6)), "end"])
    path = write(tmp_path, "a.txt", text)
    apart = read_file(path, Cutting(size=160, overlap=0, least=0)).passages
    joined = read_file(path, Cutting(size=160, overlap=0, least=10)).passages
    assert [each.text[:4] for each in apart][::7] == ["tiny", "end"]
    assert len(joined) == 6
    assert joined[0].text.startswith("tiny\n\n0 word")
    assert joined[-1].text.endswith("\n\nend")
    lapped = read_file(write(tmp_path, "b.txt", "word " * 100), Cutting(100, 50)).passages
    assert sum(len(each.text) for each in lapped) > 1.5 * 500


def test_another_way_of_cutting_is_another_digest(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "one")
    digests = {read_file(path, Cutting(size, 10)).digest for size in (100, 200)}
    assert len(digests | {read_file(path, Cutting(100, 20)).digest}) == 3


@pytest.mark.parametrize(("overlap", "least"), [(100, 0), (0, 101)])
def test_what_no_text_can_be_cut_by_is_refused(overlap: int, least: int) -> None:
    with pytest.raises(ConfigurationError, match="for passages of 100"):
        Cutting(100, overlap, least)
