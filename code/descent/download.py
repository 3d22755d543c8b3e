"""One file from the network, as expected and whole, or none; and the folder that keeps it."""

import atexit
import contextlib
import functools
import shutil
import tempfile
import threading
from pathlib import Path

__all__ = ["LARGEST", "SECONDS_PER_ADDRESS", "fetched", "user_cache"]

SECONDS_PER_ADDRESS = 3.0
LARGEST = 1_000_000  # bytes that are read, of an answer or of a file


def user_cache() -> Path | None:
    """The folder of the user's cache that is this package's, or None for a user without a home."""
    import pooch  # type: ignore[import-untyped]

    try:
        return Path(pooch.os_cache("descent"))
    except RuntimeError:  # no HOME, and no entry in the list of users, as in many containers
        return None


@functools.cache
def fetched(addresses: tuple[str, ...], sha256: str, name: str) -> Path | None:
    """The file from the first address that gives the right one, or None.

    It is kept in the user's cache or, where there is none, it cannot be written or its disk is
    full, in a temporary folder, until the process ends. The network is asked once in a process:
    where there is none, only the first call waits, at most `SECONDS_PER_ADDRESS` for each address.

    addresses: http or https, the first to be asked first. sha256: of the right file, 64 hexadecimal
    digits. name: what to call the file.
    """
    for address in addresses:
        # OSError: no answer, or one that says no. ValueError: an answer that is not the file.
        with contextlib.suppress(OSError, ValueError):
            return _kept(_answer(address), address, sha256, name)
    return None


def _kept(content: bytes, address: str, sha256: str, name: str) -> Path | None:
    """The file with that content, checked and written whole by pooch, where a folder takes it."""
    import pooch

    def write(_: str, file: str, __: object) -> None:
        Path(file).write_bytes(content)

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        for folder in (user_cache(), None):
            with contextlib.suppress(OSError):
                path = pooch.retrieve(
                    address,
                    f"sha256:{sha256}",
                    fname=name,
                    path=folder or _temporary_folder(),
                    downloader=write,
                )
                return Path(path)
    finally:
        logger.setLevel(level)
    return None


def _temporary_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="descent-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _answer(address: str) -> bytes:
    """What the address gives in time and within `LARGEST`; OSError where that is nothing.

    The request runs in a thread because looking up a host's name cannot be limited otherwise, nor
    the sum of many reads that are each in time.
    """
    answer: list[bytes] = []
    given_up = threading.Event()
    thread = threading.Thread(target=_ask, args=(address, answer, given_up), daemon=True)
    thread.start()
    thread.join(SECONDS_PER_ADDRESS)
    given_up.set()
    if not answer:
        raise OSError(f"no answer from {address} within {SECONDS_PER_ADDRESS} s")
    return answer[0]


def _ask(address: str, answer: list[bytes], given_up: threading.Event) -> None:
    import requests

    content = bytearray()
    with contextlib.suppress(Exception):  # whatever goes wrong, it is no answer
        with requests.get(address, stream=True, timeout=SECONDS_PER_ADDRESS) as response:
            response.raise_for_status()
            for chunk in response.iter_content(1024):
                content += chunk
                if given_up.is_set() or len(content) > LARGEST:
                    return
        answer.append(bytes(content))
