"""Each kind of file of a store, damaged in each way: the right answer or a clear error.

Every case runs in a process of its own, for what a damaged file does to an engine may end it.
The table that the tests print says, for each kind of file, what came of it.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError

Damage: TypeAlias = Callable[[Path, random.Random, Path], None]
"""Damages a file; given also what it was in an older copy of the store."""
FINE = {"right", "error"}
POINTS, WAITING, LATE = 600, 60, 20  # built into the index, beside it, and written at last
SIZE, SHORT = 32, 8


def rows() -> Any:
    shape = (POINTS + WAITING + LATE, SIZE)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def fill(path: Path, older: Path) -> None:
    """Make a collection with everything that leaves files: two segments, codes, graph, indexes.

    Args:
        path: Where.
        older: Where to leave a copy of it before the last changes.
    """
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    with EdgeClient(path) as client:
        client.create_collection(
            "docs",
            {
                "full": models.VectorParams(
                    size=SIZE,
                    distance=models.Distance.COSINE,
                    datatype=models.Datatype.FLOAT16,
                    hnsw_config=models.HnswConfigDiff(m=0),
                    on_disk=True,
                ),
                "short": models.VectorParams(
                    size=SHORT,
                    distance=models.Distance.COSINE,
                    hnsw_config=models.HnswConfigDiff(full_scan_threshold=10),
                    quantization_config=models.ScalarQuantization(scalar=int8),
                ),
            },
            sparse_vectors_config={"words": models.SparseVectorParams()},
            metadata={"made": "for this test"},
        )
        client.create_payload_index("docs", "kind", models.PayloadSchemaType.KEYWORD)
        client.create_payload_index("docs", "text", models.PayloadSchemaType.TEXT)
        client.create_payload_index("docs", "n", models.PayloadSchemaType.INTEGER)
        points = [
            models.PointStruct(
                id=at,
                vector={
                    "full": row.tolist(),
                    "short": row[:SHORT].tolist(),
                    "words": models.SparseVector(indices=[at % 20, 20 + at % 7], values=[1.0, 2.0]),
                },
                payload={"kind": f"k{at % 7}", "text": f"passage {at}", "n": at},
            )
            for at, row in enumerate(rows())
        ]
        client.upsert("docs", points[:POINTS])
        client.optimize("docs")
        client.upsert("docs", points[POINTS:-LATE])
        client.update_collection_aliases([alias("first")])
    copied(path, older)
    with EdgeClient(path) as client:
        client.upsert("docs", points[-LATE:])
        client.set_payload("docs", {"n": 1}, [2, POINTS + 1])
        client.delete("docs", [3, POINTS + 2])
        client.update_collection("docs", metadata={"made": "for this test", "changed": True})
        client.update_collection("docs", vectors_config={"full": models.VectorParamsDiff()})
        client.update_collection_aliases([alias("other")])


def alias(name: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name="docs", alias_name=name)
    )


def copied(store: Path, target: Path) -> Path:
    """Copy with the holes, of which the engine's files mostly consist."""
    subprocess.run(["cp", "-a", "--sparse=always", store, target], check=True)  # noqa: S603, S607
    return target


def answers(client: EdgeClient) -> dict[str, Any]:
    """Ask all that a damaged file could answer wrongly."""
    found: dict[str, Any] = {"count": [client.count(name).count for name in ("docs", "other")]}
    found |= {"metadata": client.get_collection("docs").config.metadata}
    records, _ = client.scroll("docs", limit=10_000, with_vectors=True)
    found["points"] = [
        [
            each.id,
            each.payload,
            np.round(each.vector["full"], 3).tolist(),
            np.round(each.vector["short"], 3).tolist(),
            each.vector["words"].indices,
        ]
        for each in records
    ]
    ask = rows()[::37]
    for using, width in (("full", SIZE), ("short", SHORT)):
        found[using] = [
            sorted(
                each.id for each in client.query_points("docs", row[:width].tolist(), using).points
            )
            for row in ask
        ]
    words = models.SparseVector(indices=[3, 22], values=[1.0, 1.0])
    found["words"] = [
        round(each.score, 4) for each in client.query_points("docs", words, "words").points
    ]
    conditions = {
        "kind": models.MatchValue(value="k3"),
        "text": models.MatchText(text="77"),
        "n": models.Range(gte=590, lt=620),
    }
    for key, condition in conditions.items():
        kind = "range" if isinstance(condition, models.Range) else "match"
        only = models.Filter(must=[models.FieldCondition(key=key, **{kind: condition})])
        found[key] = [each.id for each in client.scroll("docs", only, limit=10_000)[0]]
    return found


def flip(file: Path, rng: random.Random, _: Path) -> None:
    """Flip bits of up to three bytes that are no part of a hole."""
    content = bytearray(file.read_bytes())
    used = [at for at, byte in enumerate(content[: 1 << 16]) if byte] or list(range(len(content)))
    for at in rng.sample(used, min(3, len(used))):
        content[at] ^= 0xFF >> rng.randrange(8)
    file.write_bytes(content)


def cut(file: Path, *_: object) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path, *_: object) -> None:
    os.truncate(file, 0)


def remove(file: Path, *_: object) -> None:
    file.unlink()


def overwrite(file: Path, rng: random.Random, _: Path) -> None:
    """Put noise where data was, as a disk does that has lost a sector."""
    with file.open("r+b") as opened:
        opened.write(rng.randbytes(min(512, file.stat().st_size)))


def zero(file: Path, *_: object) -> None:
    """Leave nothing but zeros, as a file system does that has not come to writing."""
    size = file.stat().st_size
    os.truncate(file, 0)
    os.truncate(file, size)


def swap(file: Path, rng: random.Random, _: Path) -> None:
    """Put another file of that name in its place, and this one in that place."""
    root = next(each for each in file.parents if (each / "collections").is_dir())
    held = file.read_bytes()
    others = [each for each in sorted(root.rglob(file.name)) if each.read_bytes() != held]
    if others:
        other = rng.choice(others)
        file.write_bytes(other.read_bytes())
        other.write_bytes(held)


def age(file: Path, _: random.Random, older: Path) -> None:
    """Put what it was in an older copy in its place."""
    if older.exists():
        shutil.copyfile(older, file)


DAMAGES: list[Damage] = [flip, cut, empty, remove, overwrite, zero, swap, age]

CHILD = """
import json, os, sys
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("damage", sys.argv[1])
damage = importlib.util.module_from_spec(spec)
sys.modules["damage"] = damage
spec.loader.exec_module(damage)
expected = json.loads(Path(sys.argv[2]).read_text())
for line in sys.stdin:
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        print(json.dumps(["end", status]), flush=True)
    else:
        try:
            told = damage.outcome(json.loads(line), expected)
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        print(json.dumps(["told", told]), flush=True)
        os._exit(0)
"""


def outcome(path: str, expected: dict[str, Any]) -> str:
    """Open a store, ask everything, write, close and open again; say what came of it."""
    signal.alarm(60)
    try:
        with EdgeClient(path) as client:
            found = json.loads(json.dumps(answers(client)))
            client.set_payload("docs", {"seen": True}, [1])
        with EdgeClient(path) as client:
            [one] = client.retrieve("docs", [1])
            client.count("docs")
    except EngineError as error:
        clear = path in str(error) and re.search("(?i)restore|mrl-adapters repair", str(error))
        return "error" if clear else f"unclear: {error}"
    wrong = [key for key in expected if found[key] != expected[key]]
    if wrong or not one.payload.get("seen"):
        return f"silent: {wrong or 'a write is lost'}"
    return "right"


class Judge:
    """Processes that open damaged stores, one for each."""

    def __init__(self, expected: Path) -> None:
        self.parent = subprocess.Popen(  # noqa: S603  # our own script
            [sys.executable, "-c", CHILD, __file__, str(expected)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where Rust prints its panics
            text=True,
        )

    def __call__(self, path: Path) -> str:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        print(json.dumps(str(path)), file=self.parent.stdin, flush=True)
        told = "died without a word"
        while True:
            word, value = json.loads(self.parent.stdout.readline())
            if word == "end":
                return told if not value else f"died: signal {value & 127}"
            told = value

    def close(self) -> None:
        assert self.parent.stdin is not None
        self.parent.stdin.close()
        assert self.parent.stdout is not None
        self.parent.stdout.close()
        self.parent.wait()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a store, and the answers that it gives."""
    folder = tmp_path_factory.mktemp("whole")
    fill(folder / "store", folder / "older")
    with EdgeClient(folder / "store") as client:
        found = answers(client)
    assert len(found["points"]) == POINTS + WAITING + LATE - 2
    (folder / "expected.json").write_text(json.dumps(found))
    return folder / "store", folder / "expected.json"


@pytest.fixture(scope="module")
def judge(store: tuple[Path, Path]) -> Iterator[Judge]:
    started = Judge(store[1])
    yield started
    started.close()


def kinds(store: Path) -> dict[str, list[Path]]:
    """Give the files of a store by kind: their place without what is different in each store."""
    found: dict[str, list[Path]] = {}
    for file in sorted(store.rglob("*")):
        if file.is_file() and file.stat().st_size and file.name != ".lock":
            place = file.relative_to(store).as_posix()
            place = re.sub(r"segments/[0-9a-f-]{36}/", f"{segment_kind(file)}/", place)
            place = re.sub(r"/[0-9a-z]{24,26}-", "/", place)
            found.setdefault(re.sub(r"-\d+$", "-N", place), []).append(file)
    return found


def segment_kind(file: Path) -> str:
    for folder in file.parents:
        if folder.parent.name == "segments":
            return "built" if (folder / "id_tracker.mappings").exists() else "appended"
    return ""


def remove_folder(folder: Path, *_: object) -> None:
    shutil.rmtree(folder)


def damaged_copy(store: Path, target: Path, file: Path, how: Damage, rng: random.Random) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    place = file.relative_to(store)
    how(copied(store, target) / place, rng, store.parent / "older" / place)
    return target


def test_the_store_of_this_test_has_every_kind_of_file(store: tuple[Path, Path]) -> None:
    names = {file.name for files in kinds(store[0]).values() for file in files}
    assert names >= {
        "collection.json",
        "pending.json",
        "inventory",
        "segment.json",
        "version.info",
        "id_tracker.mappings",
        "mutable_id_tracker.mappings",
        "matrix.dat",
        "chunk_0.mmap",
        "page_0.dat",
        "quantized.data",
        "links_compressed.bin",
        "inverted_index.dat",
        "postings.dat",
        "open-1",
        "first-index",
    }


def judged(
    judge: Judge, store: Path, target: Path, cases: Iterable[tuple[str, Path, Damage]]
) -> dict[str, Counter[str]]:
    """Give what came of each case, by kind of file; print it as a table."""
    table: dict[str, Counter[str]] = {}
    rng = random.Random(0)
    for kind, file, how in cases:
        told = judge(damaged_copy(store, target, file, how, rng))
        what = told if told in {"right", "error"} else f"{how.__name__}: {told}"
        table.setdefault(kind, Counter())[what] += 1
    for kind, seen in table.items():
        print(f"{kind:80} {dict(seen)}")  # noqa: T201  # shown with -s, or when it fails
    print(f"{sum(table.values(), Counter()).total()} cases")  # noqa: T201
    return table


def bad(table: dict[str, Counter[str]]) -> list[tuple[str, str]]:
    return [(kind, what) for kind, seen in table.items() for what in seen.keys() - FINE]


# One of each kind that the engine handles in its own way; opened silently, panicked or killed the
# process before there was an inventory.
QUICK = [
    ("collection.json", flip),
    ("inventory", flip),
    ("inventory", remove),
    ("built/version.info", remove),
    ("built/segment.json", flip),
    ("built/payload_storage/page_0.dat", flip),
    ("built/payload_storage/tracker.dat", cut),
    ("built/vector_storage-full/matrix.dat", cut),
    ("built/vector_storage-short/quantized.data", overwrite),
    ("built/id_tracker.mappings", empty),
    ("appended/mutable_id_tracker.mappings", cut),
    ("shard/wal/open-N", overwrite),
]


def test_damage_to_the_files_that_matter_most_is_an_error(
    store: tuple[Path, Path], judge: Judge, tmp_path: Path
) -> None:
    cases = [
        (kind, files[0], how)
        for end, how in QUICK
        for kind, files in kinds(store[0]).items()
        if kind.endswith(end)
    ]
    assert len(cases) == len(QUICK)
    table = judged(judge, store[0], tmp_path / "store", cases)
    assert bad(table) == []
    assert all(set(seen) == {"error"} for seen in table.values())


@pytest.mark.slow
def test_no_damage_is_silent(store: tuple[Path, Path], judge: Judge, tmp_path: Path) -> None:
    cases = [(kind, files[0], how) for kind, files in kinds(store[0]).items() for how in DAMAGES]
    assert len(cases) >= 200
    assert bad(judged(judge, store[0], tmp_path / "store", cases)) == []


@pytest.mark.slow
def test_no_segment_or_folder_of_one_is_missed(
    store: tuple[Path, Path], judge: Judge, tmp_path: Path
) -> None:
    shard = store[0] / "collections" / "docs"
    folders = [each for each in sorted(shard.rglob("*")) if each.is_dir()]
    cases = [(each.relative_to(shard).as_posix(), each, remove_folder) for each in folders]
    assert bad(judged(judge, store[0], tmp_path / "store", cases)) == []


def test_an_undamaged_store_is_right(
    store: tuple[Path, Path], judge: Judge, tmp_path: Path
) -> None:
    # Copied with its holes and without: a backup keeps either.
    shutil.copytree(store[0], tmp_path / "filled")
    copied(store[0], tmp_path / "holes")
    assert [judge(tmp_path / "filled"), judge(tmp_path / "holes")] == ["right", "right"]
