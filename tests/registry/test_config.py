"""What a model's own files say."""

import json
from pathlib import Path

import pytest

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError


def write(folder: Path, name: str, **content: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def test_matryoshka_dimensions_are_honoured(tmp_path: Path):
    path = write(tmp_path, "config.json", hidden_size=768, matryoshka_dimensions=[64, 256, 768])
    spec = registry.from_config(path, name="ours")
    assert (spec.name, spec.dimensions, spec.nested) == ("ours", 768, (256, 64))
    assert (spec.reduction, spec.any_size) == ("prefix", False)


def test_the_flag_alone_allows_any_size(tmp_path: Path):
    write(tmp_path, "config.json", text_config={"hidden_size": 1024}, is_matryoshka=True)
    spec = registry.from_config(tmp_path)
    assert (spec.name, spec.dimensions, spec.any_size) == (tmp_path.name, 1024, True)


def test_a_model_that_says_nothing_is_not_nested(tmp_path: Path):
    write(tmp_path, "config.json", hidden_size=384)
    assert registry.from_config(tmp_path).reduction == "none"


def test_prompts_and_length_come_from_sentence_transformers_files(tmp_path: Path):
    write(tmp_path, "config.json", matryoshka_dimensions=[512, 256])
    write(tmp_path, "config_sentence_transformers.json", prompts={"query": "q: ", "passage": "p: "})
    write(tmp_path, "sentence_bert_config.json", max_seq_length=512)
    spec = registry.from_config(tmp_path)
    assert (spec.dimensions, spec.nested, spec.max_tokens) == (512, (256,), 512)
    assert (spec.query_prompt, spec.document_prompt) == ("q: ", "p: ")


def test_a_folder_without_config_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        registry.from_config(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}"], ids=["broken", "list", "empty"])
def test_a_config_that_does_not_tell_the_size_is_an_error(tmp_path: Path, content: str):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        registry.from_config(tmp_path)
