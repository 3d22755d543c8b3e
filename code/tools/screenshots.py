"""Picture every page at three widths, light and dark, for whoever wants to look at the book."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import FloatRect

import chromium

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "screenshots"
WIDTHS = (360, 800, 1400)
TALLEST = 16384  # what Chromium can draw in one piece


def main() -> None:
    html = Path(sys.argv[1]) if len(sys.argv) > 1 else HTML
    TARGET.mkdir(parents=True, exist_ok=True)
    with chromium.started() as browser:
        page = browser.new_page(reduced_motion="reduce")
        for path in sorted(html.glob("chapters/*.html")):
            page.goto(path.as_uri())
            for image in page.query_selector_all("img"):
                image.evaluate("image => { image.loading = 'eager'; return image.decode() }")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
                clip = FloatRect(x=0, y=0, width=width, height=height)
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    target = TARGET / f"{path.stem}-{width}-{scheme}.jpg"
                    page.screenshot(path=target, full_page=True, clip=clip, quality=60)
    print(f"The pages in pictures: {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
