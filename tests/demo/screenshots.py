"""Draw the pictures of the page, of the quickstart's docstrings, for README and documentation.

Run: python tests/demo/screenshots.py [FOLDER]
"""

import sys
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from chromium import browser
from page_server import served

from mrl_adapters.cli.quickstart import QUESTIONS, open_corpus
from mrl_adapters.demo.corpus import read_corpus
from mrl_adapters.demo.serve import prepare

_IMAGES = Path(__file__).parents[2] / ".github" / "docs" / "images"
_SENTENCES = 100
_COLOURS = 64
_QUESTION = "create a temporary directory"
_LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
_WHOLE = {
    "light": _LOOKS["light"],
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
}


def draw(opened: Any, url: str, look: dict[str, Any], file: Path, *, whole: bool) -> None:
    """Draw one look, in few colours, so that the file is small."""
    page = opened.new_page(**look)
    page.goto(url)
    page.locator("#frontier svg").first.wait_for(timeout=120_000)
    page.get_by_role("searchbox", name="Question").fill(_QUESTION)
    with page.expect_response("**/hybrid?*"), page.expect_response("**/answer?*"):
        page.keyboard.press("Enter")
    page.locator("h1").click()  # no focus ring in the picture
    page.wait_for_timeout(1000)  # charts follow the numbers
    page.screenshot(path=file, full_page=whole)
    page.close()
    with Image.open(file) as drawn:
        small = drawn.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


def main(folder: Path) -> None:
    """Serve the page and draw every look: the first screen, and beside it the whole."""
    whole = folder == _IMAGES
    with open_corpus() as (docstrings, _):
        questions = [*QUESTIONS, *docstrings.sentences(_SENTENCES)]
        store = docstrings.store
        workbench = prepare(read_corpus(store, store.embeddings, questions=questions))
        with served(workbench) as url, browser() as opened:
            for name, look in _LOOKS.items():
                draw(opened, url, look, folder / f"demo-{name}.png", whole=False)
            if not whole:
                for name, look in _WHOLE.items():
                    draw(opened, url, look, folder / f"whole-{name}.png", whole=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _IMAGES)
