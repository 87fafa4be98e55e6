"""The registry's facts against a second reading of the makers' pages."""

import pytest

from mrl_adapters import registry

ARCTIC = "Represent this sentence for searching relevant passages: "
NOMIC = ("search_query: ", "search_document: ")
VOYAGE = (
    "Represent the query for retrieving supporting documents: ",
    "Represent the document for retrieval: ",
)
GEMMA = ("task: search result | query: ", "title: none | text: ")
QWEN = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
    "",
)
BARE = ("", "")
# name: full size, listed sizes, smallest where any will do, longest input, recipe, prompts
FACTS = {
    "text-embedding-3-large": (3072, (1024, 256), 1, 8191, "prefix", BARE),
    "text-embedding-3-small": (1536, (512,), 1, 8191, "prefix", BARE),
    "text-embedding-ada-002": (1536, (), None, 8191, "none", BARE),
    "text-embedding-v4": (
        *(2048, (1536, 1024, 768, 512, 256, 128, 64), None, 8192),
        *("prefix", BARE),
    ),
    "text-embedding-v3": (1024, (768, 512, 256, 128, 64), None, 8192, "prefix", BARE),
    "nomic-embed-text-v1.5": (768, (512, 256, 128, 64), 64, 8192, "layernorm_prefix", NOMIC),
    "nomic-embed-text-v2-moe": (768, (256,), None, 512, "prefix", NOMIC),
    "modernbert-embed-base": (768, (256,), None, 8192, "prefix", NOMIC),
    "mxbai-embed-large-v1": (1024, (), None, 512, "prefix", (ARCTIC, "")),
    "snowflake-arctic-embed-m-v1.5": (768, (256,), None, 512, "prefix", (ARCTIC, "")),
    "snowflake-arctic-embed-l-v2.0": (1024, (256,), None, 8192, "prefix", ("query: ", "")),
    "snowflake-arctic-embed-m-v2.0": (768, (256,), None, 8192, "prefix", ("query: ", "")),
    "jina-embeddings-v3": (1024, (768, 512, 256, 128, 64, 32), None, 8192, "prefix", BARE),
    "jina-embeddings-v5-text-small": (
        *(1024, (768, 512, 256, 128, 64, 32), None, 32768),
        *("prefix", BARE),
    ),
    "jina-embeddings-v5-text-nano": (768, (512, 256, 128, 64, 32), None, 8192, "prefix", BARE),
    "embed-v4.0": (1536, (1024, 512, 256), None, 128_000, "prefix", BARE),
    "voyage-4-large": (2048, (1024, 512, 256), None, 32_000, "prefix", BARE),
    "voyage-4-nano": (2048, (1024, 512, 256), None, 32_768, "prefix", VOYAGE),
    "gemini-embedding-001": (3072, (1536, 768), 128, 2048, "prefix", BARE),
    "embeddinggemma-300m": (768, (512, 256, 128), None, 2048, "prefix", GEMMA),
    "Qwen3-Embedding-0.6B": (1024, (), 32, 32_768, "prefix", QWEN),
    "Qwen3-Embedding-4B": (2560, (), 32, 32_768, "prefix", QWEN),
    "Qwen3-Embedding-8B": (4096, (), 32, 32_768, "prefix", QWEN),
    "gte-modernbert-base": (768, (256,), None, 8192, "prefix", BARE),
    "titan-embed-text-v2": (1024, (512, 256), None, 8192, "prefix", BARE),
    "llama-3.2-nv-embedqa-1b-v2": (2048, (1024, 768, 512, 384), None, 8192, "prefix", BARE),
    "granite-311m-multilingual-r2": (768, (512, 384, 256, 128), None, 8192, "prefix", BARE),
    "static-retrieval-mrl-en-v1": (1024, (512, 256, 128, 64, 32), None, None, "prefix", BARE),
    "mpnet-base-nli-matryoshka": (768, (512, 256, 128, 64), None, None, "prefix", BARE),
    "l2_supercat": (256, (128, 64), None, None, "prefix", BARE),
    "stella_en_400M_v5": (8192, (6144, 4096, 2048, 1024, 768, 512), None, 8192, "heads", BARE),
    "zembed-1": (2560, (), None, 32_768, "projection", BARE),
}


def test_no_row_is_missing_and_none_is_unchecked():
    assert sorted(registry.get(name).name for name in FACTS) == sorted(registry.names())


@pytest.mark.parametrize("name", FACTS)
def test_a_row_says_what_its_makers_say(name: str):
    spec = registry.get(name)
    smallest = (spec.minimum or 1) if spec.any_size else None
    prompts = spec.query_prompt, spec.document_prompt
    found = spec.dimensions, spec.nested, smallest, spec.max_tokens, spec.reduction, prompts
    assert found == FACTS[name]


def test_only_what_the_makers_say_is_said_about_length_and_parameters():
    specs = [registry.get(name) for name in registry.names()]
    openai = {"text-embedding-3-large", "text-embedding-3-small", "text-embedding-ada-002"}
    assert {spec.name for spec in specs if spec.unit_length} == openai
    takes = {spec.name: spec.takes_dimensions for spec in specs if spec.name in openai}
    assert takes == {name: name != "text-embedding-ada-002" for name in openai}
    given = {spec.name: spec.default_dimensions for spec in specs if spec.default_dimensions}
    thousand = ("voyage-4-large", "text-embedding-v4", "NovaSearch/stella_en_400M_v5")
    assert given == dict.fromkeys(thousand, 1024)


def test_only_what_their_servers_need_is_said_of_requests():
    specs = [registry.get(name) for name in registry.names()]
    sides = {spec.name: (spec.query_fields, spec.document_fields) for spec in specs}
    assert {name: both for name, both in sides.items() if any(both)} == {
        "jinaai/jina-embeddings-v3": ({"task": "retrieval.query"}, {"task": "retrieval.passage"}),
        "embed-v4.0": ({"input_type": "search_query"}, {"input_type": "search_document"}),
        "voyage-4-large": ({"input_type": "query"}, {"input_type": "document"}),
        "nvidia/llama-3.2-nv-embedqa-1b-v2": ({"input_type": "query"}, {"input_type": "passage"}),
    }
    named = {spec.name: spec.dimensions_field for spec in specs}
    assert {name for name, field in named.items() if field != "dimensions"} == {"voyage-4-large"}
    assert named["voyage-4-large"] == "output_dimension"
    limits = {spec.name: spec.max_batch for spec in specs if spec.max_batch}
    assert limits == {"text-embedding-v3": 10, "text-embedding-v4": 10}
