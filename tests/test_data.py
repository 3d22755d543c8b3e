"""The data: where the airfoil file is looked for, what is refused, and what stands in for it."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from descent import data, download
from descent._moments import COVARIANCE_ROWS, MEAN

Answer = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[..., list[str]]

# A file of the right shape for which the package is made to take it: the look-up needs no more.
STAND_IN = "\n".join(
    "\t".join(f"{value:.6f}" for value in row)
    for row in np.random.default_rng(3).normal(5.0, 2.0, (1503, 6))
).encode()


@pytest.fixture(scope="session")
def nasas_file() -> bytes:
    path = data.airfoil_path()
    if path is None:
        pytest.skip("NASA's file is neither in DESCENT_DATA nor in the cache nor on the network")
    return path.read_bytes()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, no DESCENT_DATA, no network, and STAND_IN as the expected file."""
    folder = tmp_path / "cache"
    monkeypatch.delenv("DESCENT_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("pooch.os_cache", lambda project: folder)
    monkeypatch.setattr(data, "AIRFOIL_SHA256", hashlib.sha256(STAND_IN).hexdigest())
    monkeypatch.setattr(data, "AIRFOIL_ADDRESSES", ("http://127.0.0.1:9/airfoil.dat",))
    download.fetched.cache_clear()
    yield folder
    download.fetched.cache_clear()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """serve(answer, ...) makes one local address per answer, and gives the requests to come."""
    servers: list[ThreadingHTTPServer] = []

    def start(*answers: Answer) -> list[str]:
        requests: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                answers[int(self.path[1:])](self)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=[0.01], daemon=True).start()
        root = f"http://127.0.0.1:{servers[-1].server_port}"
        addresses = tuple(f"{root}/{i}" for i in range(len(answers)))
        monkeypatch.setattr(data, "AIRFOIL_ADDRESSES", addresses)
        return requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer_with(content: bytes, status: int = 200) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def dribble(handler: BaseHTTPRequestHandler) -> None:
    """One byte after another, each in good time, but never all of them."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        try:
            handler.wfile.write(b"x")
            time.sleep(0.02)
        except OSError:
            return


def pour(handler: BaseHTTPRequestHandler) -> None:
    """As fast as it goes, without end."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:  # the client hung up
        return


def quadratic(
    features: np.ndarray, targets: np.ndarray, w: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, gradient and Hessian of half the mean squared error; w ends with the bias."""
    x = np.column_stack([features, np.ones(len(features))])
    error = x @ w - targets
    return error @ error / len(error) / 2, x.T @ error / len(error), x.T @ x / len(error)


# --- the measured set


def test_measured_set_is_standardised_over_1503_rows_and_keeps_1500(
    nasas_file: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hashlib.sha1(nasas_file).hexdigest() == "76e5be1548fd8222e5074cf0faae75edff8cf93f"
    rows = [[float(text) for text in line.split()] for line in nasas_file.decode().splitlines()]
    airfoil = data.load_airfoil()
    assert airfoil.source == "measured"
    assert airfoil.features.shape == (1500, 5)
    assert airfoil.targets.shape == (1500,)
    assert airfoil.features.dtype == airfoil.targets.dtype == np.float64
    for column, ours in enumerate([*airfoil.features.T, airfoil.targets]):
        values = [row[column] for row in rows]
        mean = sum(values) / 1503
        deviation = (sum((v - mean) ** 2 for v in values) / 1503) ** 0.5
        np.testing.assert_allclose(
            ours[[0, 700, 1499]] * deviation + mean, np.array(values)[[0, 700, 1499]]
        )
    assert capsys.readouterr() == ("", "")


def test_stored_moments_are_those_of_the_measured_rows(nasas_file: bytes) -> None:
    airfoil = data.load_airfoil()
    table = np.column_stack([airfoil.features, airfoil.targets])
    np.testing.assert_allclose(table.mean(axis=0), MEAN, rtol=0, atol=1e-14)
    covariance = np.cov(table.T, bias=True)
    for i, row in enumerate(COVARIANCE_ROWS):
        np.testing.assert_allclose(covariance[i, : i + 1], row, rtol=0, atol=1e-14)


# --- where the file is looked for


def test_folder_named_by_environment_comes_before_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    for folder in (named, cache):
        folder.mkdir()
        (folder / data.AIRFOIL_FILE).write_bytes(STAND_IN)
    monkeypatch.setenv("DESCENT_DATA", str(named))
    assert data.airfoil_path() == named / data.AIRFOIL_FILE
    (named / data.AIRFOIL_FILE).unlink()
    assert data.airfoil_path() == cache / data.AIRFOIL_FILE


def test_download_is_kept_and_silent(
    cache: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = serve(answer_with(STAND_IN))
    assert data.load_airfoil().source == "measured"
    download.fetched.cache_clear()  # as another process would
    assert data.load_airfoil().source == "measured"
    assert requests == ["/0"]
    assert [path.name for path in cache.iterdir()] == [data.AIRFOIL_FILE]
    assert capsys.readouterr() == ("", "")


def test_second_address_is_asked_when_the_first_refuses(cache: Path, serve: Serve) -> None:
    requests = serve(answer_with(b"gone", status=404), answer_with(STAND_IN))
    assert data.airfoil_is_measured()
    assert requests == ["/0", "/1"]


@pytest.mark.parametrize("place", ["named", "cache"])
@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", STAND_IN[:-1], STAND_IN[:30000], STAND_IN.replace(b"\n", b"\r\n")],
)
def test_wrong_file_is_an_error_and_stays(
    place: str,
    content: bytes,
    cache: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    requests = serve(answer_with(STAND_IN))
    cache.mkdir()
    path = cache / data.AIRFOIL_FILE
    path.write_bytes(content)
    if place == "named":
        monkeypatch.setenv("DESCENT_DATA", str(cache))
    with pytest.raises(ValueError, match="not NASA's airfoil file") as refusal:
        data.load_airfoil()
    for part in (str(path), data.AIRFOIL_SHA256, hashlib.sha256(content).hexdigest()):
        assert part in str(refusal.value)
    assert not data.airfoil_is_measured()
    assert path.read_bytes() == content
    assert requests == []
    assert capsys.readouterr().out == ""


def test_folder_that_cannot_be_written_does_not_prevent_loading(cache: Path, serve: Serve) -> None:
    requests = serve(answer_with(STAND_IN))
    cache.write_text("a file where the folder should be")
    assert data.load_airfoil().source == "measured"
    assert data.load_airfoil().source == "measured"
    assert requests == ["/0"]
    assert cache.is_file()


def test_a_machine_that_cannot_be_written_at_all_gets_the_twin(
    cache: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(answer_with(STAND_IN))
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr("tempfile.tempdir", str(cache))
    assert data.load_airfoil().source == "twin"


# --- no network, or a bad one


def test_no_network_gives_the_twin_and_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    ask = download._ask
    monkeypatch.setattr(download, "_ask", lambda *args: (asked.append(args[0]), ask(*args))[1])
    assert not data.airfoil_is_measured()
    assert capsys.readouterr() == ("", "")
    assert data.load_airfoil().source == "twin"
    assert capsys.readouterr() == (data.TWIN_NOTICE + "\n", "")
    assert "\n" not in data.TWIN_NOTICE
    assert len(asked) == 1, "a network that failed once is not asked again in this process"


@pytest.mark.parametrize(
    "answer", [answer_with(b"<html>Please log in</html>"), answer_with(STAND_IN[:-9]), pour]
)
def test_something_else_served_as_data_is_not_kept(
    answer: Answer, cache: Path, serve: Serve
) -> None:
    serve(answer)
    assert data.load_airfoil().source == "twin"
    assert list(cache.iterdir()) == []


def test_slow_server_is_given_up(
    cache: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SECONDS_PER_ADDRESS", 0.2)
    requests = serve(dribble, lambda handler: time.sleep(1.0))
    start = time.monotonic()
    assert not data.airfoil_is_measured()
    assert time.monotonic() - start < 0.9
    assert requests == ["/0", "/1"]
    assert list(cache.iterdir()) == []


def test_name_that_is_looked_up_for_ever_is_given_up(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SECONDS_PER_ADDRESS", 0.1)
    released = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: released.wait(20))
    start = time.monotonic()
    assert not data.airfoil_is_measured()
    assert time.monotonic() - start < 0.7
    released.set()


def test_the_longest_wait_is_well_under_ten_seconds() -> None:
    assert download.SECONDS_PER_ADDRESS * len(data.AIRFOIL_ADDRESSES) <= 6


def test_two_processes_at_once_both_load_and_leave_one_file(
    cache: Path, serve: Serve, tmp_path: Path
) -> None:
    both_asked = threading.Barrier(2)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        both_asked.wait(20)  # neither gets the file before the other has missed it
        answer_with(STAND_IN)(handler)

    serve(answer)
    code = f"""
import pathlib, pooch
from descent import data, download
pooch.os_cache = lambda project: pathlib.Path({str(cache)!r})
data.AIRFOIL_ADDRESSES = {data.AIRFOIL_ADDRESSES!r}
data.AIRFOIL_SHA256 = {data.AIRFOIL_SHA256!r}
download.SECONDS_PER_ADDRESS = 20
print(data.load_airfoil().source)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    assert [run.communicate(timeout=60) for run in runs] == [("measured\n", "")] * 2
    assert [path.name for path in cache.iterdir()] == [data.AIRFOIL_FILE]
    assert (cache / data.AIRFOIL_FILE).read_bytes() == STAND_IN


# --- the moment twin


def test_stored_moments_give_the_known_problem(cache: Path) -> None:
    twin = data.load_airfoil()
    zero, _, hessian = quadratic(twin.features, twin.targets, np.zeros(6))
    x = np.column_stack([twin.features, np.ones(1500)])
    best = np.linalg.lstsq(x, twin.targets)[0]
    assert quadratic(twin.features, twin.targets, best)[0] == pytest.approx(0.241688, abs=5e-7)
    assert zero == pytest.approx(0.49326, abs=5e-6)
    assert np.linalg.cond(hessian) == pytest.approx(12.08, abs=5e-3)


def test_twin_has_the_shape_and_names_of_the_measured_set(cache: Path) -> None:
    twin, again = data.load_airfoil(), data.load_airfoil()
    assert twin.features.shape == (1500, 5)
    assert twin.targets.shape == (1500,)
    assert len(twin.feature_names) == 5
    np.testing.assert_array_equal(twin.features, again.features)
    np.testing.assert_array_equal(twin.targets, again.targets)


def test_twin_has_the_loss_gradient_and_hessian_of_the_measured_set(
    nasas_file: bytes, request: pytest.FixtureRequest
) -> None:
    real = data.load_airfoil()
    request.getfixturevalue("cache")
    twin = data.load_airfoil()
    assert (real.source, twin.source) == ("measured", "twin")
    assert not np.allclose(real.features, twin.features)
    for w in np.random.default_rng(5).normal(0.0, 1.0, (20, 6)):
        for ours, theirs in zip(
            quadratic(twin.features, twin.targets, w),
            quadratic(real.features, real.targets, w),
            strict=True,
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
