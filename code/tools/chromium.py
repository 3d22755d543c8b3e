"""The installed Chromium, started in one way by all that look at pages."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

INSTALLED = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",  # or it does not start as root
    "--disable-gpu",
    # It asks nobody for anything by itself.
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]


@contextmanager
def started() -> Iterator[Browser]:
    """Start Chromium without a window; where there is none, end the program and say so."""
    if INSTALLED is None:
        sys.exit("this needs Chromium (Debian: apt-get install chromium), and found none")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=INSTALLED, args=ARGUMENTS)
        yield browser
        browser.close()
