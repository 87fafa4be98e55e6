"""What a ModelSpec says about sizes, over the whole registry and on its edges."""

import re
import warnings

import pytest

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.registry import MatryoshkaWarning, ModelSpec

SPECS = [registry.get(name) for name in registry.names()]
SLICEABLE = [spec for spec in SPECS if spec.sliceable]
NESTED = [spec for spec in SPECS if spec.is_nested]


def ids(specs: list[ModelSpec]) -> list[str]:
    return [spec.name for spec in specs]


@pytest.mark.parametrize("spec", SPECS, ids=ids(SPECS))
def test_every_row_names_its_source(spec: ModelSpec):
    assert re.match(r"https://|arXiv:\d{4}\.\d{5}$", spec.source)


@pytest.mark.parametrize("spec", SPECS, ids=ids(SPECS))
def test_every_row_is_found_by_name_basename_and_aliases(spec: ModelSpec):
    for name in (spec.name, spec.name.upper(), spec.name.split("/")[-1], *spec.aliases):
        assert registry.get(name) is spec


@pytest.mark.parametrize("spec", SPECS, ids=ids(SPECS))
def test_every_row_keeps_its_full_size_without_a_word(spec: ModelSpec):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spec.check(spec.dimensions)


@pytest.mark.parametrize("spec", SPECS, ids=ids(SPECS))
@pytest.mark.parametrize("beyond", [-1, 0, 1_000_000])
def test_every_row_refuses_sizes_that_no_vector_has(spec: ModelSpec, beyond: int):
    with pytest.raises(DimensionsError, match=re.escape(f"1 to {spec.dimensions}")):
        spec.check(beyond)


@pytest.mark.parametrize("spec", NESTED, ids=ids(NESTED))
def test_every_nested_row_takes_its_first_stage_and_its_sizes_without_a_word(spec: ModelSpec):
    assert 1 <= spec.default_stage < spec.dimensions
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (spec.default_stage, *spec.nested):
            spec.check(size)


@pytest.mark.parametrize(
    "spec", [s for s in SPECS if not s.sliceable], ids=[s.name for s in SPECS if not s.sliceable]
)
def test_a_model_that_must_not_be_sliced_says_so(spec: ModelSpec):
    with pytest.raises(ConfigurationError, match="means nothing"):
        spec.check(256)
    with pytest.raises(ConfigurationError, match="means nothing"):
        _ = spec.default_stage


@pytest.mark.parametrize(
    ("model", "stage"),
    [
        ("text-embedding-3-large", 256),
        ("nomic-embed-text-v1.5", 256),
        ("wordllama", 128),
        ("mxbai-embed-large-v1", 256),
        ("llama-3.2-nv-embedqa-1b-v2", 384),
        ("text-embedding-ada-002", 768),
    ],
)
def test_first_stages_are_what_the_models_were_trained_for(model: str, stage: int):
    assert registry.get(model).default_stage == stage


@pytest.mark.parametrize(
    ("spec", "stage"),
    [
        (ModelSpec("m", 384, any_size=True), 192),
        (ModelSpec("m", 384, any_size=True, minimum=200), 200),
        (ModelSpec("m", 1024, nested=(512, 384)), 384),
        (ModelSpec("m", 1024, nested=(512, 192, 128)), 192),
        (ModelSpec("m", 1, reduction="none"), 1),
    ],
    ids=["half", "minimum", "smallest-above", "largest-below", "one"],
)
def test_first_stages_of_models_without_256(spec: ModelSpec, stage: int):
    assert spec.default_stage == stage


def test_a_size_that_was_not_trained_is_warned_about_with_the_nearest_one():
    with pytest.warns(MatryoshkaWarning, match=r"trained: 512, 256, 128\).*nearest is 256"):
        registry.get("embeddinggemma-300m").check(200)


def test_of_two_sizes_equally_near_the_larger_one_is_named():
    with pytest.warns(MatryoshkaWarning, match="nearest is 128"):
        registry.get("wordllama").check(96)


def test_a_size_below_the_minimum_is_warned_about():
    with pytest.warns(MatryoshkaWarning, match="down to 64 dimensions, not to 32"):
        registry.get("nomic-embed-text-v1.5").check(32)


def test_an_untrained_model_points_at_measuring_and_rotation():
    with pytest.warns(MatryoshkaWarning, match=r"mrl-adapters curve.*Rotation"):
        ModelSpec("plain", 384, reduction="none").check(128)


def test_ada_002_is_refused_until_a_rotation_is_learnt():
    ada = registry.get("text-embedding-ada-002")
    with pytest.raises(DimensionsError, match=r"text-embedding-3-small.*Rotation\.fit"):
        ada.check(256)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ada.check(256, rotated=True)


@pytest.mark.parametrize("name", ["", "m"])
def test_a_spec_without_name_or_size_is_refused(name: str):
    with pytest.raises(ConfigurationError, match="Give it a name and the size"):
        ModelSpec(name, 0 if name else 8)


@pytest.mark.parametrize("size", [0, 8, 9])
def test_nested_sizes_lie_below_the_full_one(size: int):
    with pytest.raises(DimensionsError, match="between 1 and 7"):
        ModelSpec("m", 8, nested=(4, size))


def test_nested_sizes_are_ordered_and_unique():
    assert ModelSpec("m", 8, nested=(2, 4, 2)).nested == (4, 2)


def test_prompts_end_where_the_text_begins():
    for spec in SPECS:
        for prompt in (spec.query_prompt, spec.document_prompt):
            assert not prompt or prompt.endswith((" ", ":"))
