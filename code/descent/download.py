"""One file from the network, as expected and whole, or none; and where it is kept."""

import atexit
import contextlib
import functools
import shutil
import tempfile
import threading
import time
from pathlib import Path

__all__ = ["fetched", "user_cache"]

SECONDS_PER_ADDRESS = 3.0
LARGEST = 1_000_000  # bytes of an answer, or of a file


def user_cache() -> Path:
    """The folder of the user's cache where this package keeps files."""
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("descent"))


@functools.cache
def fetched(addresses: tuple[str, ...], sha256: str, name: str, cache: Path) -> Path | None:
    """The file from the first address that has it, kept in `cache` where that can be written.

    Asked once in a process: where there is no network, only the first call waits.
    """
    for address in addresses:
        # OSError: no answer, one that says no, or no place for it. ValueError: not the file.
        with contextlib.suppress(OSError, ValueError):
            folder = cache if _can_write(cache) else _temporary_folder()
            return _retrieve(address, sha256, folder / name)
    return None


def _retrieve(address: str, sha256: str, path: Path) -> Path:
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        pooch.retrieve(
            address, f"sha256:{sha256}", path.name, path.parent, downloader=_write_answer
        )
    finally:
        logger.setLevel(level)
    return path


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _temporary_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="descent-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _write_answer(address: str, output_file: str, _: object) -> None:
    """pooch's downloader, with a limit on the whole answer: its own limits each read alone.

    The request runs in a thread because looking up a host's name cannot be limited otherwise.
    """
    answer: list[bytes] = []
    deadline = time.monotonic() + SECONDS_PER_ADDRESS
    thread = threading.Thread(target=_ask, args=(address, deadline, answer), daemon=True)
    thread.start()
    thread.join(SECONDS_PER_ADDRESS)
    if not answer:
        raise OSError(f"no answer from {address} within {SECONDS_PER_ADDRESS} s")
    Path(output_file).write_bytes(answer[0])


def _ask(address: str, deadline: float, answer: list[bytes]) -> None:
    import requests

    content = b""
    with contextlib.suppress(Exception):  # whatever goes wrong, it is no answer
        with requests.get(address, stream=True, timeout=SECONDS_PER_ADDRESS) as response:
            response.raise_for_status()
            for chunk in response.iter_content(4096):
                content += chunk
                if time.monotonic() > deadline or len(content) > LARGEST:
                    return
        answer.append(content)
