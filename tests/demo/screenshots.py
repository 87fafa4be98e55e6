"""Draw the page in light, dark and on a phone: python tests/demo/screenshots.py URL FOLDER."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chromium import browser

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


def draw(url: str, folder: Path, *, whole: bool) -> None:
    """Draw every look into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser() as opened:
        for name, look in LOOKS.items():
            page = opened.new_page(**look)
            page.goto(url)
            page.locator("#frontier svg").first.wait_for(timeout=120_000)
            page.locator("#harmed li").first.wait_for()
            page.screenshot(path=folder / f"demo-{name}.png", full_page=whole)
            page.close()


if __name__ == "__main__":
    draw(sys.argv[1], Path(sys.argv[2]), whole="--whole" in sys.argv)
