"""Draw the README's picture, light and dark, from the table in the page "What it buys".

Run: python .github/pictures.py
"""

import re
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

DOCS = Path(__file__).parent / "docs"
# What the drawing is made of: ink, grid, and a colour a line; readable on GitHub's backgrounds.
THEMES = {
    "light": ("#24292f", "#d0d7de", ("#6e7781", "#bc4c00", "#0969da")),
    "dark": ("#e6edf3", "#30363d", ("#8b949e", "#f0883e", "#58a6ff")),
}


NAMES = {
    "full HNSW f32": "graph over full vectors",
    "full HNSW int8": "graph over their int8 codes",
    "two-stage 256 int8": "two stages: 256, then 1,536",
}


def rows() -> tuple[list[str], list[tuple[float, list[float | None]]]]:
    """Read the contenders, and for each limit of memory in MB their queries a second."""
    text = (DOCS / "what_it_buys.md").read_text(encoding="utf-8")
    head, _, *lines = text[text.index("| queries/s with at most") :].split("\n\n")[0].splitlines()
    found = []
    for line in lines:
        limit, *rates = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        if megabytes := re.fullmatch(r"(\d+) MB", limit):
            values = [float(rate) if rate.isdigit() else None for rate in rates]
            found.append((float(megabytes[1]), values))
    return [cell.strip() for cell in head.strip("|").split("|")[1:]], found


def draw(theme: str) -> Path:
    """Draw queries a second along the memory allowed."""
    ink, grid, colours = THEMES[theme]
    names, found = rows()
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    for place, (name, colour) in enumerate(zip(names, colours, strict=True)):
        points = [(limit, rates[place]) for limit, rates in found if rates[place] is not None]
        limits, rates = zip(*points, strict=True)
        axes.plot(limits, rates, "o-", color=colour, linewidth=2, markersize=5)
        axes.annotate(
            NAMES[name],
            (limits[0], rates[0]),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=10,
            fontweight="bold",
        )
        if len(points) < len(found):
            axes.annotate(
                "killed below",
                (limits[-1], rates[-1]),
                xytext=(-8, 0),
                textcoords="offset points",
                va="center",
                ha="right",
                color=colour,
                fontsize=9,
            )
    axes.set_xscale("log")
    ticks = [100, 200, 400, 800, 1600]
    axes.set_xticks(ticks, [f"{tick:,} MB" for tick in ticks], color=ink)
    axes.minorticks_off()
    axes.set_xlim(90, 13000)
    axes.set_ylim(0, 2500)
    axes.tick_params(colors=ink, labelsize=9, length=0)
    axes.set_xlabel("memory allowed (the full vectors alone: 1,229 MB)", color=ink, fontsize=9.5)
    axes.set_title(
        "Queries a second at overlap@10 of 0.99 with the exact search: 200,000 vectors of 1,536",
        color=ink,
        fontsize=10.5,
        loc="left",
    )
    axes.xaxis.set_label_coords(0.33, -0.11)
    axes.set_facecolor("none")
    # Up to the last mark only: the lines' names stand beyond it.
    marks = range(0, 2501, 500)
    axes.set_yticks(marks)
    axes.hlines(marks, 90, max(limit for limit, _ in found), color=grid, linewidth=0.8, zorder=0)
    axes.spines[:].set_visible(False)
    path = DOCS / "images" / f"memory-{theme}.svg"
    with rc_context({"svg.hashsalt": "mrl-adapters"}):
        figure.savefig(path, transparent=True, metadata={"Date": None})
    return path


if __name__ == "__main__":
    for theme_name in THEMES:
        print(draw(theme_name))  # noqa: T201 - a script
