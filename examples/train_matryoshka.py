"""Train the same small model with and without MatryoshkaLoss; see what its prefixes keep.

A static model (a vector a token, averaged) learns from scratch to match the docstrings of the
standard library with their own summaries: real text, nothing to download, minutes on a processor.
A fifth of the modules is held out and searched afterwards.

    pip install 'mrl-adapters[sentence-transformers,plot]'
    python examples/train_matryoshka.py --plot retention.png
"""

import argparse
import random
import warnings
from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mrl_adapters.embeddings import SentenceTransformerEmbedder
from mrl_adapters.evaluation import CurveResult, Dataset, curve, docstring_dataset, docstrings

FULL = 768
SIZES = (384, 192, 96, 64, 32)  # 64 is 8 % of the full size
BATCH = 128
Pair = tuple[str, str]


def split() -> tuple[list[Pair], Dataset]:
    """Give pairs of one part of the modules to train with, and the other part to search."""
    entries = list(docstrings())
    modules = sorted({entry.path for entry in entries})
    held_out = set(random.Random(0).sample(modules, len(modules) // 5))  # noqa: S311 - a split
    pairs = []
    for entry in entries:
        if entry.path not in held_out:
            words = entry.id.replace(".", " ").replace("_", " ")
            pairs += [(words, entry.summary), (entry.summary, entry.body)][: 2 if entry.body else 1]
    judged = docstring_dataset()
    path = {entry.id: entry.path for entry in entries}
    queries = {key: text for key, text in judged.queries.items() if path[key] in held_out}
    return pairs, Dataset(
        judged.documents, queries, {key: judged.qrels[key] for key in queries}, "held-out modules"
    )


def untrained(texts: Sequence[str]) -> SentenceTransformer:
    """Make a model with random vectors for the word pieces of the training texts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=8000, special_tokens=["[UNK]", "[PAD]"])
    tokenizer.train_from_iterator(texts, trainer)
    torch.manual_seed(0)
    static = StaticEmbedding(tokenizer, embedding_dim=FULL)
    return SentenceTransformer(modules=[static], device="cpu")


def train(pairs: list[Pair], *, matryoshka: bool, epochs: int) -> SentenceTransformer:
    """Train a fresh model; the loss is all that differs between the two."""
    model = untrained([text for pair in pairs for text in pair])
    loss: torch.nn.Module = losses.MultipleNegativesRankingLoss(model)
    if matryoshka:
        loss = losses.MatryoshkaLoss(model, loss, [FULL, *SIZES])
    steps = epochs * (len(pairs) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    shuffle = random.Random(0)  # noqa: S311 - the same order for both
    for _ in range(epochs):
        shuffle.shuffle(pairs)
        for start in range(0, len(pairs) - BATCH + 1, BATCH):
            batch = zip(*pairs[start : start + BATCH], strict=True)
            loss([model.preprocess(list(side)) for side in batch], None).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return model


def plot(results: dict[str, CurveResult], path: str) -> None:
    """Draw both retention curves."""
    import matplotlib.pyplot as plt

    for name, result in results.items():
        rows = [row for row in result.rows if row.search == "one-stage"]
        kept = [100 * (row.retained or 0) for row in rows]
        plt.plot([row.dimensions for row in rows], kept, "o-", label=name)
    plt.xscale("log", base=2)
    plt.xticks([FULL, *SIZES], [str(size) for size in (FULL, *SIZES)])
    plt.xlabel("dimensions")
    plt.ylabel("nDCG@10, % of the full size's")
    plt.title("What a prefix keeps")
    plt.legend()
    plt.grid(alpha=0.3)
    plt.savefig(path, dpi=150)


def main() -> None:
    """Train both, measure both, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--plot", metavar="PATH", help="write a picture of the curves (.png, .svg)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    pairs, dataset = split()
    print(f"{len(pairs)} pairs to train with, {len(dataset.queries)} held-out questions")
    results = {}
    for name in ("plain", "matryoshka"):
        model = train(list(pairs), matryoshka=name == "matryoshka", epochs=options.epochs)
        results[name] = curve(SentenceTransformerEmbedder(model, name=name), dataset, SIZES)
    print("dimensions   plain nDCG@10  kept   matryoshka nDCG@10  kept")
    for plain, nested in zip(results["plain"].rows, results["matryoshka"].rows, strict=True):
        if plain.search == "one-stage":
            print(
                f"{plain.dimensions:10}   {plain.ndcg:13.3f} {plain.retained:5.0%}"
                f"   {nested.ndcg:18.3f} {nested.retained:5.0%}"
            )
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
