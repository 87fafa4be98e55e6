"""Draw any number of vectors that behave as given real ones do when they are cut and listed.

Vectors drawn about a few round topics are kind to whatever clusters them: the lists of an inverted
file then are the topics, and the first list probed holds every neighbour. Real vectors lie
otherwise: in very many small groups of all sizes and widths, which overlap.

So a sample of real vectors is grouped, a few vectors to a group, and these are taken from it: the
spread of the groups' centres and the spread within them, each with all of its correlations between
dimensions, and each group's size and width. Vectors are drawn from that mixture of Gaussians. What
a sample does not tell, how many vectors share a group and how wide groups are as a whole, is
chosen so that what is drawn behaves as the sample does, by the curves of :class:`Behaviour`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.bench.markdown import table
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import overlap_at_k
from mrl_adapters.evaluation.exact import exact_search
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.vectors import FloatArray, normalize, truncate

PROBES = (1, 2, 4, 8, 16, 32)
"""How many lists of an inverted file are read."""
PREFIXES = (1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""How much of a vector is kept."""
TOLERANCE = 0.06
"""How far a drawn sample's curves may lie from the real one's, in shares of the ten nearest."""

_SAMPLE = 10_000
_QUERIES = 400
_LEAST = 1_000  # vectors that anything can be learnt from
_K = 10
_GROUPED = (4, 6, 8, 11, 15)  # vectors a group
_WIDTHS = (0.85, 0.9, 0.95, 1.0)
# With so many times the vectors, so much to this power: 40,000 descriptions of Debian packages
# beside 10,000 of them, the only measurement that these come from.
_LARGER, _NARROWER = 0.25, -0.04
_ROUNDS = 6  # of k-means
_BLOCK = 4096


class Behaviour(NamedTuple):
    """How ten nearest neighbours are lost: by cutting vectors, and by reading few lists.

    Args:
        kept: Share of the exact ten nearest among the ten nearest by each prefix.
        listed: Share of them in the first lists that are probed, of as many lists as the root of
            the number of vectors.
    """

    kept: tuple[float, ...]
    listed: tuple[float, ...]

    def distance(self, other: "Behaviour") -> float:
        """Return the largest difference at any place of both curves."""
        pairs = zip([*self.kept, *self.listed], [*other.kept, *other.listed], strict=True)
        return max(abs(one - another) for one, another in pairs)


@dataclass(frozen=True)
class Likeness:
    """What vectors are drawn from, made by :func:`fit_likeness`.

    Args:
        mean: Shape (d,).
        between: Factor of the centres' covariance, shape (d, d).
        within: Factor of the covariance about a centre of width 1, shape (d, d).
        widths: The sample's groups' widths.
        shares: Their shares of the vectors.
        grouped: Vectors a group, where as many are drawn as there are in the sample.
        sample: How many these are.
        real: The sample's curves.
        drawn: Those of as many drawn vectors.
    """

    mean: FloatArray
    between: FloatArray
    within: FloatArray
    widths: FloatArray
    shares: FloatArray
    grouped: int
    sample: int
    real: Behaviour
    drawn: Behaviour

    def draw(self, count: int, seed: int = 0) -> Iterator[FloatArray]:
        """Draw unit vectors, in blocks of bounded size; the groups' centres are held in memory.

        Among more vectors than the sample has, groups are larger and a little narrower.

        Yields:
            Blocks of float32, shape (at most 4,096, d).
        """
        rng = np.random.default_rng(seed)
        more = max(1.0, count / self.sample)
        groups = max(1, round(count / (self.grouped * more**_LARGER)))
        drawn = rng.integers(len(self.widths), size=groups)
        widths, shares = (
            self.widths[drawn] * more**_NARROWER,
            np.cumsum(self.shares[drawn], dtype=np.float64),
        )
        centres = np.empty((groups, len(self.mean)), dtype=np.float32)
        for start in range(0, groups, _BLOCK):
            part = centres[start : start + _BLOCK]
            part[:] = self._about(rng, len(part), self.between) + self.mean
        for start in range(0, count, _BLOCK):
            size = min(_BLOCK, count - start)
            chosen = np.searchsorted(shares, rng.random(size) * shares[-1], side="right")
            about = self._about(rng, size, self.within) * widths[chosen, None]
            yield normalize(centres[chosen] + about)

    def _about(self, rng: np.random.Generator, count: int, factor: FloatArray) -> FloatArray:
        spread: FloatArray = rng.standard_normal((count, len(factor)), dtype=np.float32) @ factor
        return spread


def fit_likeness(
    vectors: FloatArray, seed: int = 0, progress: ProgressCallback | None = None
) -> Likeness:
    """Learn from real vectors what to draw, and compare what is drawn with them.

    Args:
        vectors: Unit vectors, shape (n, d); 10,400 of them are looked at.
        seed: Draws them.
        progress: Called with a Progress after each trial.

    Raises:
        ConfigurationError: There are fewer than 1,000.
    """
    if len(vectors) < _LEAST:
        msg = (
            f"{len(vectors):,} vectors are too few to draw others like them: expected at least "
            f"{_LEAST:,}. Measure them as they are: mrl-adapters bench DATA."
        )
        raise ConfigurationError(msg, found=len(vectors), expected=_LEAST)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(vectors))[: _SAMPLE + _QUERIES])
    sample = np.ascontiguousarray(vectors[rows])
    real = behaviour(sample, seed)
    meter = Meter("drawing vectors like these", len(_GROUPED) * len(_WIDTHS), progress)
    tried = []
    for grouped in _GROUPED:
        groups = _groups(sample, grouped, rng)
        for width in _WIDTHS:
            made = _made(sample, groups, width, grouped, real)
            drawn = behaviour(np.concatenate([*made.draw(len(sample), seed)]), seed)
            tried.append((real.distance(drawn), grouped, width, drawn, groups))
            meter.step()
    _, grouped, width, drawn, groups = min(tried, key=lambda each: each[:3])
    return _made(sample, groups, width, grouped, real, drawn)


def likeness_table(likeness: Likeness) -> str:
    """Return the curves of the real vectors beside those of drawn ones, in Markdown.

    Args:
        likeness: What was learnt.
    """
    real, drawn, width = likeness.real, likeness.drawn, len(likeness.mean)
    titles = ["", *(f"cut to {round(share * width)}" for share in PREFIXES)]
    titles += [f"{probes} lists" for probes in PROBES]
    rows = [
        [name, *(f"{share:.3f}" for share in (*curves.kept, *curves.listed))]
        for name, curves in (("real", real), ("drawn", drawn))
    ]
    about = (
        f"Vectors drawn like {likeness.sample:,} real ones, {likeness.grouped} to a group: of the "
        f"ten nearest so many are found, at most {real.distance(drawn):.3f} apart."
    )
    return f"{about}\n\n{table(titles, rows)}\n"


def behaviour(vectors: FloatArray, seed: int = 0) -> Behaviour:
    """Measure the curves of unit vectors, shape (n, d); a few of them ask for the others.

    Args:
        vectors: The vectors.
        seed: Draws those that ask.
    """
    rng = np.random.default_rng(seed)
    asking = np.zeros(len(vectors), dtype=np.bool_)
    asking[rng.permutation(len(vectors))[: min(_QUERIES, len(vectors) // 5)]] = True
    queries, documents = vectors[asking], vectors[~asking]
    exact = exact_search(documents, queries, _K).indices
    kept = []
    for share in PREFIXES:
        size = max(1, round(share * vectors.shape[1]))
        cut = exact_search(truncate(documents, size), truncate(queries, size), _K).indices
        kept.append(float(overlap_at_k(cut, exact, _K).mean()))
    centres, lists = _clusters(documents, round(len(documents) ** 0.5), rng)
    order = np.argsort(-(queries @ centres.T), axis=1)
    turns = np.empty_like(order)
    np.put_along_axis(turns, order, np.arange(len(centres))[None], axis=1)
    found = np.take_along_axis(turns, lists[exact], axis=1)
    return Behaviour(tuple(kept), tuple(float((found < probes).mean()) for probes in PROBES))


class _Groups(NamedTuple):
    within: NDArray[np.float64]
    """Covariance about a centre of width 1."""
    widths: FloatArray
    shares: FloatArray


def _groups(sample: FloatArray, grouped: int, rng: np.random.Generator) -> _Groups:
    """Group a sample, and describe the groups."""
    _, members = _clusters(sample, max(2, len(sample) // grouped), rng)
    names, members, sizes = np.unique(members, return_inverse=True, return_counts=True)
    centres = np.zeros((len(names), sample.shape[1]))
    np.add.at(centres, members, sample)
    about = sample - (centres / sizes[:, None])[members]
    # Vectors lie nearer to the mean of a few than to where these come from.
    about *= np.sqrt(sizes / np.maximum(sizes - 1, 1))[members, None]
    several = sizes[members] > 1
    within = about[several].T @ about[several] / several.sum()
    squares = np.bincount(members, np.einsum("ij,ij->i", about, about), len(names)) / sizes
    widths = np.where(sizes > 1, np.sqrt(squares / np.trace(within)), 1.0)
    return _Groups(within, widths.astype(np.float32), (sizes / sizes.sum()).astype(np.float32))


def _made(
    sample: FloatArray,
    groups: _Groups,
    width: float,
    grouped: int,
    real: Behaviour,
    drawn: Behaviour | None = None,
) -> Likeness:
    """Make what is drawn from: centres have what the groups' own spread leaves of the whole."""
    widths = (width * groups.widths).astype(np.float32)
    inner = np.average(widths.astype(np.float64) ** 2, weights=groups.shares) * groups.within
    return Likeness(
        mean=sample.mean(axis=0),
        between=_factor(np.cov(sample.T) - inner),
        within=_factor(groups.within),
        widths=widths,
        shares=groups.shares,
        grouped=grouped,
        sample=len(sample),
        real=real,
        drawn=real if drawn is None else drawn,
    )


def _factor(covariance: NDArray[np.float64]) -> FloatArray:
    """Return a matrix that gives noise this covariance, as far as it is one."""
    values, vectors = np.linalg.eigh(covariance)
    factor: FloatArray = (vectors * np.sqrt(np.maximum(values, 0))).T.astype(np.float32)
    return factor


def _clusters(
    vectors: FloatArray, count: int, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Part unit vectors by k-means; return the centres, and the one that each belongs to."""
    centres = vectors[rng.permutation(len(vectors))[:count]].copy()
    nearest = _nearest(vectors, centres)
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors)
        filled = sums.any(axis=1)
        centres[filled] = normalize(sums[filled])
        nearest = _nearest(vectors, centres)
    return centres, nearest


def _nearest(vectors: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    parts = range(0, len(vectors), _BLOCK)
    return np.concatenate(
        [(vectors[start : start + _BLOCK] @ centres.T).argmax(axis=1) for start in parts]
    )
