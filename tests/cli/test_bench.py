import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_server import server_address

SMALL = ("--queries", 40, "--repeats", 1, "--no-frameworks")


def test_synthetic_vectors_are_the_default(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "not there" / "yet"
    options = ("--only", "8 int8", "--folder", folder, *SMALL)
    output = run("bench", "--points", 300, "--dimensions", 16, *options).stdout
    assert not any(folder.iterdir())
    assert "synthetic nested vectors, 300 x 16" in output
    assert "two-stage 8 int8" in output


def test_a_file_of_vectors_is_measured_and_drawn(run: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(400, 16)))
    options = (*SMALL, "--only", "4 f32", "--stage", 4, "--json", "--plot", tmp_path / "bench.svg")
    result = run("bench", tmp_path / "mine.npy", *options)
    measured = json.loads(result.stdout)
    assert (measured["data"], measured["points"]) == ("mine.npy, 360 x 16", 360)
    assert [each["name"] for each in measured["measured"]][1] == "two-stage 4 f32"
    assert (tmp_path / "bench.svg").exists()


def test_texts_are_embedded_once_for_several_sizes(run: Any, tmp_path: Path) -> None:
    texts = [json.dumps(f"passage {n} of many about {n % 9}") for n in range(200)]
    (tmp_path / "texts.jsonl").write_text("\n".join(texts))
    options = ("--points", "100,150", "--json", *SMALL, "--only", "HNSW int8")
    done = run("bench", tmp_path / "texts.jsonl", *options)
    assert "100 x" in done.stderr  # shown while the larger one is still measured
    assert "150 x" not in done.stderr
    result = json.loads(done.stdout)
    assert [each["points"] for each in result["results"]] == [100, 150]
    assert [each["name"] for each in result["results"][0]["measured"]] == [
        "full HNSW f32",
        "full HNSW int8",
    ]


def test_vectors_like_those_of_a_file_are_drawn_in_any_number(run: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(2_500, 16)))
    options = ("--alike", "--points", 3_000, "--json", *SMALL, "--only", "4 f32", "--stage", 4)
    done = run("bench", tmp_path / "mine.npy", *options)
    assert json.loads(done.stdout)["data"] == "drawn like mine.npy, 3,000 x 16"
    assert "Vectors drawn like 2,460 real ones" in done.stderr
    refused = run("bench", "--alike", *SMALL)
    assert refused.exit_code == 2
    assert "needs DATA" in refused.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--only", "nobody", "two-stage"), ("--points", "many", "--points")],
)
def test_what_makes_no_sense_is_a_usage_error(run: Any, option: str, value: str, said: str) -> None:
    result = run("bench", "--dimensions", 16, "--points", 50, "--no-frameworks", option, value)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("option", ["--frameworks", "--rivals"])
def test_what_is_measured_in_this_process_is_not_measured_on_a_server(
    run: Any, option: str
) -> None:
    result = run("bench", "--url", "http://127.0.0.1:1", option)
    assert result.exit_code == 2
    assert "not on a server" in result.stderr


@pytest.mark.server
@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_server_is_measured(run: Any, tmp_path: Path) -> None:
    address = server_address()
    key = ("--api-key", address["api_key"]) if address["api_key"] else ()
    options = ("--only", "two-stage 8 int8", "--plot", tmp_path / "a.svg")
    small = ("--points", 300, "--dimensions", 16, "--queries", 20, "--repeats", 1)
    result = run("bench", "--url", address["url"], *key, *small, *options, "--json")
    measured = json.loads(result.stdout)
    assert [each["name"] for each in measured["measured"]] == [
        "full HNSW f32",
        "two-stage 8 int8",
    ]
    assert measured["server"]["version"]
    assert (tmp_path / "a.svg").exists()
