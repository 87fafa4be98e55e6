import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mrl_adapters import ConfigurationError
from mrl_adapters.cli.files import read_file
from mrl_adapters.cli.walking import Skipped, emptied_above, find_files, is_gone


def write(folder: Path, name: str, text: str = "text") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_folders_give_their_texts_and_nothing_hidden(notes: Path) -> None:
    write(notes, ".draft.txt", "hidden")
    write(notes, "program.py", "code")
    write(notes, "picture.PNG", "")
    write(notes, "LICENSE", "")
    write(notes, ".git/log.txt", "hidden")
    found = find_files([notes])
    assert [path.name for path in found.files] == [
        *("animals.txt", "trains.md", "program.py", "records.jsonl")
    ]
    assert found.unknown == {".png": 1, "": 1}
    assert found.skipped == []
    assert found.folders == [notes]


def test_a_path_given_twice_counts_once(notes: Path) -> None:
    assert len(find_files([notes, notes / "animals.txt", notes / "deep"]).files) == 3


def test_suffixes_may_be_upper_case(tmp_path: Path) -> None:
    path = write(tmp_path, "README.MD")
    assert find_files([tmp_path]).files == [path]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("gone.txt", "does not exist"),
        ("gone", "does not exist"),
        ("a.png", "not of a kind"),
        ("a.png/b.txt", "cannot be reached"),
        ("broken.txt", "cannot be reached"),
        ("loop.txt", "cannot be reached"),
        ("pipe.txt", "no regular file"),
        ("nul\0.txt", "cannot be reached"),
        ("x" * 300 + ".txt", "cannot be reached"),
    ],
)
def test_what_is_given_and_cannot_be_indexed_is_refused(
    tmp_path: Path, name: str, complaint: str
) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "broken.txt").symlink_to("nowhere")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ConfigurationError, match=complaint):
        find_files([tmp_path / name])


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _broken(path: Path) -> None:
    path.symlink_to("nowhere.txt")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [os.mkfifo, _device, _socket, _broken, _loop])
def test_what_lies_in_a_folder_and_is_no_file_is_skipped_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    good = write(tmp_path, "good.txt")
    make(Path("odd.txt"))
    found = find_files([Path()])
    assert found.files == [good]
    assert [each.path for each in found.skipped] == [tmp_path / "odd.txt"]


def test_a_folder_called_like_a_text_is_a_folder(tmp_path: Path) -> None:
    inner = write(tmp_path, "a.txt/b.txt")
    assert find_files([tmp_path / "a.txt"]).files == find_files([tmp_path]).files == [inner]


def test_a_name_that_is_not_utf_8_is_skipped(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).write_text("text")
    [skipped] = find_files([tmp_path]).skipped
    assert "not UTF-8" in skipped.reason


def test_a_link_is_told_where_what_it_leads_to_is_left_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    write(inside, "deep/a.txt")
    write(outside, "b.txt")
    (inside / "deep" / "loop").symlink_to(inside)
    assert find_files([inside]).skipped == []
    (inside / "other").symlink_to(outside)
    assert [each.path.name for each in find_files([inside]).skipped] == ["other"]
    assert find_files([inside, outside]).skipped == []


def test_a_folder_that_may_not_be_read_is_skipped_and_its_files_are_not_gone() -> None:
    """Runs as nobody: root may read everything."""
    code = (
        "import os, sys, tempfile, pathlib\n"
        "sys.path[:] = eval(sys.argv[1])\n"
        "from mrl_adapters.cli.walking import find_files, is_gone\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "home = pathlib.Path(tempfile.mkdtemp()).resolve()\n"
        "for name in ('closed', 'open'):\n"
        "    (home / name).mkdir(); (home / name / 'a.txt').write_text('text')\n"
        "(home / 'closed').chmod(0)\n"
        "try:\n"
        "    found = find_files([home])\n"
        "    assert found.files == [home / 'open' / 'a.txt'], found\n"
        "    assert [each.path for each in found.skipped] == [home / 'closed'], found\n"
        "    assert not is_gone(home / 'closed' / 'a.txt')\n"
        "    assert is_gone(home / 'open' / 'b.txt')\n"
        "finally:\n"
        "    (home / 'closed').chmod(0o700)\n"
        "    import shutil; shutil.rmtree(home)\n"
    )
    subprocess.run([sys.executable, "-c", code, repr(sys.path)], check=True, timeout=60)  # noqa: S603 - this interpreter


def test_a_folder_that_vanishes_while_it_is_walked_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.txt")
    vanishing = write(tmp_path, "deep/b.txt").parent
    real = os.scandir

    def scandir(folder: str) -> object:
        if Path(folder) == vanishing:
            vanishing.rename(tmp_path / ".elsewhere")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_files([tmp_path])
    assert [each.path for each in found.skipped] == [vanishing]


def test_only_what_has_no_name_any_more_is_gone(tmp_path: Path) -> None:
    there = write(tmp_path, "a.txt")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken.txt").symlink_to("nowhere")
    assert is_gone(tmp_path / "b.txt")
    assert is_gone(there / "below" / "a.file")
    assert not any(map(is_gone, (there, tmp_path / "broken.txt", tmp_path / "loop" / "a.txt")))


def test_a_missing_file_in_an_empty_folder_names_it(tmp_path: Path) -> None:
    write(tmp_path, "full/a.txt")
    (tmp_path / "empty").mkdir()
    assert emptied_above(tmp_path / "empty" / "deep" / "b.txt", [tmp_path]) == tmp_path / "empty"
    assert emptied_above(tmp_path / "full" / "b.txt", [tmp_path]) is None
    assert emptied_above(tmp_path / "away" / "b.txt", [tmp_path]) is None
    assert emptied_above(tmp_path / "b.txt", [tmp_path / "away"]) is None


@pytest.mark.parametrize("name", ["a.jsonl", "two  blanks.jsonl", "a, b.jsonl", "ä.jsonl"])
@pytest.mark.parametrize("content", [b'{"text": \n', b'{"title": "none"}\n', b"7\n", b"\xff"])
def test_a_file_that_is_skipped_is_named_once(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as met:
        read_file(path)
    line = str(Skipped(path, str(met.value)))
    assert line.startswith(f"{path}: ")
    assert line.count(str(path)) == 1
    assert "\n" not in line
