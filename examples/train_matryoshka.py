"""Train the same small model with and without MatryoshkaLoss; see what its prefixes keep.

A static model (a vector a token, averaged) learns from scratch to match the docstrings of the
standard library with their own summaries: real text, nothing to download, minutes on a processor.
Each run holds out other packages, whose docstrings are asked for afterwards, and starts from other
random vectors. Within a run the loss is all that differs between the two models.

Needs sentence-transformers 5.4 or newer; embedding with it needs 5.0.

    pip install '.[sentence-transformers,plot]' 'sentence-transformers>=5.4'
    python examples/train_matryoshka.py --plot retention.png
"""

import argparse
import copy
import functools
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mrl_adapters.embeddings import SentenceTransformerEmbedder
from mrl_adapters.evaluation import CurveResult, Dataset, curve, docstring_dataset
from mrl_adapters.evaluation.docstrings import Docstring, docstrings

FULL = 768
SIZES = (384, 192, 96, 64, 32)  # 64 is 8 % of the full size
FOLDS = 5
BATCH = 128
LOSSES = ("plain", "matryoshka")
NAMES = {"plain": "without MatryoshkaLoss", "matryoshka": "with MatryoshkaLoss"}
Pair = tuple[str, str]


@functools.cache
def corpus() -> tuple[list[Docstring], Dataset]:
    """Read the docstrings: all of them, and those that make a question and an answer."""
    return list(docstrings()), docstring_dataset()


def split(run: int) -> tuple[list[Pair], Dataset]:
    """Hold out a fifth of the top-level packages: pairs of the others, questions of these."""
    entries, judged = corpus()
    package = {entry.id: entry.path.split("/")[0] for entry in entries}
    packages = sorted(set(package.values()))
    random.Random(0).shuffle(packages)  # noqa: S311 - a split, no secret
    held_out = set(packages[run % FOLDS :: FOLDS])
    queries = {key: text for key, text in judged.queries.items() if package[key] in held_out}
    # A text of a held-out package that another package has as well is held out, too.
    unseen = {text for e in entries if package[e.id] in held_out for text in (e.summary, e.body)}
    pairs = []
    for entry in entries:
        if package[entry.id] not in held_out and unseen.isdisjoint(
            {entry.summary, entry.body} - {""}
        ):
            words = entry.id.replace(".", " ").replace("_", " ")
            pairs += [(words, entry.summary), (entry.summary, entry.body)][: 2 if entry.body else 1]
    qrels = {key: judged.qrels[key] for key in queries}
    return pairs, Dataset(judged.documents, queries, qrels, "docstrings of held-out packages")


def untrained(texts: Sequence[str], seed: int) -> SentenceTransformer:
    """Make a model with random vectors for the word pieces of the training texts."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=8000, special_tokens=["[UNK]", "[PAD]"], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    torch.manual_seed(seed)
    static = StaticEmbedding(tokenizer, embedding_dim=FULL)
    static.embedding.sparse = True  # a step touches the tokens of its batch only
    return SentenceTransformer(modules=[static], device="cpu")


def train(
    start: SentenceTransformer, pairs: Sequence[Pair], loss: str, *, seed: int, epochs: int
) -> SentenceTransformer:
    """Train a copy of a model; start, order and steps are the same for both losses."""
    model = copy.deepcopy(start)
    objective: torch.nn.Module = losses.MultipleNegativesRankingLoss(model)
    if loss == "matryoshka":
        objective = losses.MatryoshkaLoss(model, objective, [FULL, *SIZES])
    optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=0.05)
    steps = epochs * (len(pairs) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    for _ in range(epochs):
        shuffled = order.sample(pairs, len(pairs))
        for first in range(0, len(pairs) - BATCH + 1, BATCH):
            batch = zip(*shuffled[first : first + BATCH], strict=True)
            objective([model.preprocess(list(side)) for side in batch], None).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return model


def measure(run: int, *, epochs: int) -> dict[str, CurveResult]:
    """Train one model with each loss, and search the held-out docstrings with both."""
    pairs, dataset = split(run)
    print(
        f"run {run + 1}: {len(pairs)} pairs to train with, {len(dataset.queries)} questions",
        flush=True,
    )
    start = untrained([text for pair in pairs for text in pair], run)
    results = {}
    for loss in LOSSES:
        model = train(start, pairs, loss, seed=run, epochs=epochs)
        results[loss] = curve(SentenceTransformerEmbedder(model, name=loss), dataset, SIZES)
    return results


def figures(
    runs: Sequence[dict[str, CurveResult]], loss: str
) -> dict[int, list[tuple[float, float]]]:
    """Give nDCG@10 and the share of the full size's that is kept: by size, one pair a run."""
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in (FULL, *SIZES)}
    for run in runs:
        for row in run[loss].rows:
            if row.search == "one-stage":
                found[row.dimensions].append((row.ndcg or 0.0, row.retained or 0.0))
    return found


def plot(runs: Sequence[dict[str, CurveResult]], path: Path) -> None:
    """Draw quality and what is kept of it against the size, each run as a thin line."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 4), layout="constrained")
    quality, kept = drawing.subplots(1, 2)
    for loss, colour, mark in zip(LOSSES, ("#D55E00", "#0072B2"), "so", strict=True):
        found = figures(runs, loss)
        for panel, part, factor in ((quality, 0, 1), (kept, 1, 100)):
            for run in range(len(runs)):
                line = [factor * values[run][part] for values in found.values()]
                panel.plot(list(found), line, color=colour, alpha=0.25, linewidth=1)
            line = [factor * mean(value[part] for value in values) for values in found.values()]
            panel.plot(list(found), line, color=colour, marker=mark, label=NAMES[loss])
    quality.set_ylabel("nDCG@10")
    quality.legend(loc="lower right", frameon=False)
    kept.set_ylabel(f"% of the nDCG@10 of all {FULL} dimensions")
    for panel in (quality, kept):
        panel.set_xscale("log", base=2)
        panel.set_xticks([FULL, *SIZES], [str(size) for size in (FULL, *SIZES)])
        panel.minorticks_off()
        panel.set_xlabel("dimensions kept")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    questions = sum(run["plain"].queries for run in runs)
    drawing.suptitle(
        f"Docstrings of held-out packages: {questions:,} questions, {runs[0]['plain'].documents:,} "
        f"texts, {len(runs)} run{'s'[: len(runs) - 1]} (thin) and their mean",
        fontsize=10,
    )
    drawing.savefig(path, dpi=200)


def main() -> None:
    """Train, measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=FOLDS, help="each with another part held out")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument(
        "--plot", type=Path, metavar="PATH", help="write a picture of the curves (.png, .svg)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)  # the matrices are small: more threads would wait for each other
    runs = [measure(run, epochs=options.epochs) for run in range(options.runs)]
    print("nDCG@10 and the share kept (lowest to highest run)")
    for loss in LOSSES:
        for size, values in figures(runs, loss).items():
            ndcg = mean(value for value, _ in values)
            kept = [share for _, share in values]
            print(
                f"{loss:10} {size:4}  {ndcg:.3f}  {mean(kept):6.1%}"
                f"  ({min(kept):.1%} to {max(kept):.1%})"
            )
    if options.plot:
        plot(runs, options.plot)


if __name__ == "__main__":
    main()
