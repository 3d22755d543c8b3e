"""The airfoil set: where its file is looked for, what is refused, and what stands in for it."""

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from descent import data, download
from descent._moments import COVARIANCE_ROWS, MEAN

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
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no DESCENT_DATA, no network, and STAND_IN as the expected file."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.delenv("DESCENT_DATA", raising=False)
    monkeypatch.setattr(data, "user_cache", lambda: folder)
    monkeypatch.setattr(data, "fetched", lambda *_: None)
    monkeypatch.setattr(data, "AIRFOIL_SHA256", hashlib.sha256(STAND_IN).hexdigest())
    return folder


@pytest.fixture(params=["named", "cache"])
def folder(
    request: pytest.FixtureRequest, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Each of the two folders that are looked into, empty; the network is not to be asked."""
    monkeypatch.setattr(data, "fetched", lambda *_: pytest.fail("the network was asked"))
    if request.param == "cache":
        return cache
    named = tmp_path / "named"
    named.mkdir()
    monkeypatch.setenv("DESCENT_DATA", str(named))
    return named


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
        values = np.array([row[column] for row in rows])
        mean = math.fsum(values) / 1503
        deviation = math.sqrt(math.fsum((values - mean) ** 2) / 1503)
        # What a plain sum of n numbers may lose: n roundings of the largest.
        lost = 1503 * np.finfo(float).eps * np.abs(values).max()
        np.testing.assert_allclose(ours * deviation + mean, values[:1500], rtol=0, atol=lost)
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
    named.mkdir()
    for folder in (named, cache):
        (folder / data.AIRFOIL_FILE).write_bytes(STAND_IN)
    monkeypatch.setenv("DESCENT_DATA", str(named))
    assert data.airfoil_path() == named / data.AIRFOIL_FILE
    (named / data.AIRFOIL_FILE).unlink()
    assert data.airfoil_path() == cache / data.AIRFOIL_FILE


def test_network_is_asked_last(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def fetched(*given: object) -> Path:
        asked.append(given)
        (cache / "elsewhere").write_bytes(STAND_IN)
        return cache / "elsewhere"

    monkeypatch.setattr(data, "fetched", fetched)
    assert data.load_airfoil().source == "measured"
    assert asked == [(data.AIRFOIL_ADDRESSES, data.AIRFOIL_SHA256, data.AIRFOIL_FILE)]
    assert capfd.readouterr() == ("", "")
    (cache / data.AIRFOIL_FILE).write_bytes(STAND_IN)
    assert data.airfoil_path() == cache / data.AIRFOIL_FILE
    assert len(asked) == 1


def test_the_longest_wait_is_well_under_ten_seconds() -> None:
    assert download.SECONDS_PER_ADDRESS * len(data.AIRFOIL_ADDRESSES) <= 6


def test_user_without_a_home_finds_the_named_folder_and_never_fails(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pwd")
    (cache / data.AIRFOIL_FILE).write_bytes(STAND_IN)
    monkeypatch.setattr(data, "user_cache", download.user_cache)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_entry(user: int) -> object:
        raise KeyError(user)

    monkeypatch.setattr("pwd.getpwuid", no_entry)
    assert not data.airfoil_is_measured()
    assert data.load_airfoil().source == "twin"
    monkeypatch.setenv("DESCENT_DATA", str(cache))
    assert data.airfoil_is_measured()
    assert data.load_airfoil().source == "measured"
    assert capfd.readouterr() == (data.TWIN_NOTICE + "\n", "")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", STAND_IN[:-1], STAND_IN[:30000], STAND_IN.replace(b"\n", b"\r\n")],
)
def test_wrong_file_is_an_error_and_stays(
    content: bytes, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder / data.AIRFOIL_FILE
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not NASA's airfoil file") as refusal:
        data.load_airfoil()
    for part in (
        f"{path} ({len(content)} bytes)",
        data.AIRFOIL_SHA256,
        hashlib.sha256(content).hexdigest(),
    ):
        assert part in str(refusal.value)
    assert not data.airfoil_is_measured()
    assert path.read_bytes() == content
    assert capfd.readouterr() == ("", "")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(6 * 2**30)  # sparse: it takes no place


@pytest.mark.skipif(os.name != "posix", reason="pipes and sparse files")
@pytest.mark.parametrize(
    ("make", "what"),
    [(pipe, "no regular file"), (Path.mkdir, "no regular file"), (huge, "too large")],
)
def test_what_cannot_be_the_file_is_refused_without_reading_it(
    make: Callable[[Path], None], what: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Reading the pipe would wait for ever, and the large file takes the memory of all tests.
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("pooch reads it too"))
    make(folder / data.AIRFOIL_FILE)
    with pytest.raises(ValueError, match=f"not NASA's airfoil file: .* found {what}"):
        data.load_airfoil()
    assert not data.airfoil_is_measured()


def test_no_network_gives_the_twin_and_one_line(
    cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not data.airfoil_is_measured()
    assert capfd.readouterr() == ("", "")
    assert data.load_airfoil().source == "twin"
    assert capfd.readouterr() == (data.TWIN_NOTICE + "\n", "")
    assert "\n" not in data.TWIN_NOTICE


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
