"""Downloads: what is kept and where, what is refused, and that no server can make anyone wait."""

import contextlib
import errno
import hashlib
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from descent import download

Answer = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[..., tuple[str, ...]]

CONTENT = np.random.default_rng(3).bytes(80_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "numbers.dat"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and nothing remembered of the network."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("pooch.os_cache", lambda project: folder)
    download.fetched.cache_clear()
    yield folder
    download.fetched.cache_clear()


@pytest.fixture
def requests() -> list[str]:
    """What the servers have been asked."""
    return []


@pytest.fixture
def serve(requests: list[str]) -> Iterator[Serve]:
    """serve(answer, ...) makes one local address per answer."""
    servers: list[ThreadingHTTPServer] = []

    def start(*answers: Answer) -> tuple[str, ...]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                answers[int(self.path[1:])](self)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=[0.01], daemon=True).start()
        root = f"http://127.0.0.1:{servers[-1].server_port}"
        return tuple(f"{root}/{i}" for i in range(len(answers)))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What a server that keeps everybody waiting waits for: the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def answer_with(content: bytes, status: int = 200) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def fetched(addresses: tuple[str, ...]) -> Path | None:
    return download.fetched(addresses, SHA256, NAME)


# --- what is kept, and where


def test_the_right_file_is_kept_whole_and_silently(
    cache: Path, serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    assert fetched(serve(answer_with(CONTENT))) == cache / NAME
    assert [path.name for path in cache.iterdir()] == [NAME]
    assert (cache / NAME).read_bytes() == CONTENT
    assert capfd.readouterr() == ("", "")


def test_second_address_is_asked_when_the_first_refuses(
    cache: Path, serve: Serve, requests: list[str]
) -> None:
    assert fetched(serve(answer_with(b"gone", status=404), answer_with(CONTENT))) == cache / NAME
    assert requests == ["/0", "/1"]


def test_network_that_failed_once_is_not_asked_again(
    cache: Path, serve: Serve, requests: list[str]
) -> None:
    addresses = serve(answer_with(b"gone", status=404))
    assert fetched(addresses) is None
    assert fetched(addresses) is None
    assert requests == ["/0"]


@pytest.mark.parametrize("content", [b"<html>Please log in</html>", CONTENT[:-9], b""])
def test_something_else_served_as_data_is_not_kept(
    content: bytes, cache: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: pytest.fail("it needs no folder"))
    assert fetched(serve(answer_with(content))) is None
    assert list(cache.iterdir()) == []


def test_folder_that_cannot_be_made_does_not_prevent_loading(
    cache: Path, serve: Serve, requests: list[str]
) -> None:
    addresses = serve(answer_with(CONTENT))
    cache.write_text("a file where the folder should be")
    path = fetched(addresses)
    assert path is not None and path.read_bytes() == CONTENT
    assert path.parent.parent == Path(tempfile.gettempdir())
    assert fetched(addresses) == path
    assert requests == ["/0"]
    assert cache.is_file()


def test_full_disk_falls_to_the_temporary_folder(
    cache: Path, serve: Serve, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.is_relative_to(cache):
            write_bytes(path, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    path = fetched(serve(answer_with(CONTENT)))
    assert path is not None and path.read_bytes() == CONTENT
    assert list(cache.iterdir()) == []
    assert requests == ["/0"]


def test_machine_that_cannot_be_written_at_all_gets_nothing(
    cache: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr("tempfile.tempdir", str(cache))
    assert fetched(serve(answer_with(CONTENT))) is None


def test_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pwd")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_entry(user: int) -> object:
        raise KeyError(user)

    monkeypatch.setattr("pwd.getpwuid", no_entry)
    assert download.user_cache() is None


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be another user"
)
@pytest.mark.parametrize("home", ["none", "read-only"])
def test_user_without_a_place_of_their_own_gets_the_file(
    home: str, serve: Serve, requests: list[str], tmp_path: Path
) -> None:
    """As in a container that runs as a number which has no entry in its list of users."""
    code = """
import os, sys
from descent import download
addresses, sha256, name, home, warm = (sys.argv[1],), *sys.argv[2:]
os.environ["XDG_CACHE_HOME"] = warm
assert download.fetched(addresses, sha256, name)  # loads what another user may not read
download.fetched.cache_clear()
del os.environ["XDG_CACHE_HOME"]
os.environ.pop("HOME", None)
if home != "none":
    os.environ["HOME"] = home
os.setuid(54321)
path = download.fetched(addresses, sha256, name)
print(download.user_cache(), path.stat().st_uid, path.stat().st_size)
"""
    read_only = tmp_path / "home"
    read_only.mkdir(mode=0o755)
    given = "none" if home == "none" else str(read_only)
    run = subprocess.run(
        [sys.executable, "-c", code, *serve(answer_with(CONTENT)), SHA256, NAME, given, tmp_path],
        env=os.environ | {"no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
    )
    cached = None if home == "none" else read_only / ".cache" / "descent"
    assert (run.stdout, run.stderr) == (f"{cached} 54321 {len(CONTENT)}\n", "")
    assert requests == ["/0", "/0"]
    assert list(read_only.iterdir()) == []


def test_two_processes_at_once_both_load_and_leave_one_file(cache: Path, serve: Serve) -> None:
    both_asked = threading.Barrier(2)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        both_asked.wait(300)  # neither gets the file before the other has missed it
        answer_with(CONTENT)(handler)

    code = f"""
import pathlib, pooch
from descent import download
pooch.os_cache = lambda project: pathlib.Path({str(cache)!r})
download.SECONDS_PER_ADDRESS = 300
print(download.fetched({serve(answer)!r}, {SHA256!r}, {NAME!r}))
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    assert [run.communicate() for run in runs] == [(f"{cache / NAME}\n", "")] * 2
    assert [path.name for path in cache.iterdir()] == [NAME]
    assert (cache / NAME).read_bytes() == CONTENT


# --- no server can make anyone wait, or fill the memory. Each of these would give the right file in
# --- the end: without the limit, that is what would be found.


def test_server_that_is_slow_in_small_pieces_is_given_up(
    cache: Path, serve: Serve, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome: queue.Queue[str] = queue.Queue()

    def dribble(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for at in range(0, len(CONTENT), 8):
                handler.wfile.write(CONTENT[at : at + 8])
                released.wait(0.001)
            outcome.put("sent the whole")
        except OSError:
            outcome.put("hung up")

    monkeypatch.setattr(download, "SECONDS_PER_ADDRESS", 0.2)
    assert fetched(serve(dribble)) is None
    assert outcome.get() == "hung up"


def test_silent_server_is_given_up(
    cache: Path, serve: Serve, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        released.wait(60)
        answer_with(CONTENT)(handler)

    monkeypatch.setattr(download, "SECONDS_PER_ADDRESS", 0.2)
    assert fetched(serve(wait)) is None


def test_name_that_is_looked_up_for_ever_is_given_up(
    cache: Path, serve: Serve, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def wait(*args: object, **kwargs: object) -> object:
        released.wait(60)
        return look_up(*args, **kwargs)  # type: ignore[arg-type]

    addresses = serve(answer_with(CONTENT))
    monkeypatch.setattr("socket.getaddrinfo", wait)
    monkeypatch.setattr(download, "SECONDS_PER_ADDRESS", 0.2)
    assert fetched(addresses) is None


@pytest.mark.parametrize(("largest", "found"), [(len(CONTENT) - 1, False), (len(CONTENT), True)])
def test_answer_is_read_up_to_the_largest(
    largest: int, found: bool, cache: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGEST", largest)
    assert (fetched(serve(answer_with(CONTENT))) is not None) == found


def test_server_that_pours_without_end_is_hung_up_on(
    cache: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    poured: queue.Queue[int] = queue.Queue()

    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        count = 0
        with contextlib.suppress(OSError):  # the client hung up
            while count < 100 * download.LARGEST:
                count += handler.wfile.write(b"x" * 65536)
        poured.put(count)

    monkeypatch.setattr(download, "SECONDS_PER_ADDRESS", 300)
    assert fetched(serve(pour)) is None
    assert poured.get() < 50 * download.LARGEST, "no more than buffers hold"
