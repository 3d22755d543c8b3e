"""The data of the experiments: one measured set, and two that a seed makes.

Source: T. F. Brooks, D. S. Pope and M. A. Marcolini, *Airfoil self-noise and prediction*, NASA
RP-1218, 1989; UCI Machine Learning Repository, data set 291, CC BY 4.0.
"""

import atexit
import contextlib
import functools
import hashlib
import io
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from descent._checks import check_count, check_interval
from descent._moments import COVARIANCE_ROWS, MEAN

__all__ = [
    "TWIN_NOTICE",
    "Airfoil",
    "SequenceTask",
    "SparseData",
    "airfoil_is_measured",
    "airfoil_path",
    "load_airfoil",
    "moment_twin",
    "sequence_task",
    "sparse_features",
]

FloatArray = NDArray[np.float64]

AIRFOIL_FILE = "airfoil_self_noise.dat"
AIRFOIL_SHA256 = "74c75fd71783f1e6b71f8a622b993dc592897a97cd689c5090a07147a1b097b3"
# d2l's copy first, as in the source; then UCI's plain file, which needs no unpacking. That the
# first is not https does no harm: only the bytes with the right hash are ever used.
AIRFOIL_ADDRESSES = (
    "http://d2l-data.s3-accelerate.amazonaws.com/airfoil_self_noise.dat",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/00291/airfoil_self_noise.dat",
)
AIRFOIL_FEATURES = (
    "frequency",  # Hz
    "angle of attack",  # degrees
    "chord length",  # m
    "free-stream velocity",  # m/s
    "displacement thickness",  # m, of the boundary layer on the suction side
)
AIRFOIL_ROWS = 1500
TWIN_SEED = 1989
TWIN_NOTICE = (
    "NASA's airfoil file was not found and could not be fetched: this is its moment twin, "
    "with the same loss, gradient and Hessian over the full set, and other mini-batches."
)
SECONDS_PER_ADDRESS = 3.0
_LONGEST_ANSWER = 1_000_000  # bytes; the file has 59,984


@dataclass(frozen=True, eq=False)
class Airfoil:
    """The airfoil set, ready for regression.

    features: (1500, 5), each column standardised, in the order of `feature_names`.
    targets: (1500,), the sound pressure level, standardised.
    source: "measured" for NASA's numbers, "twin" for their moment twin.
    """

    features: FloatArray
    targets: FloatArray
    feature_names: tuple[str, ...]
    source: Literal["measured", "twin"]


def load_airfoil() -> Airfoil:
    """NASA's airfoil self-noise measurements, or their moment twin where they cannot be had.

    Columns are standardised over all 1503 rows with the population standard deviation; then the
    first 1500 rows are kept. The file is looked for in the folder that DESCENT_DATA names, in the
    user's cache, and on the network, at most `SECONDS_PER_ADDRESS` for each address. Without it the
    twin is returned, and `TWIN_NOTICE` printed.

    Raises ValueError for a file that is there but is not the expected one.
    """
    path = airfoil_path()
    if path is None:
        print(TWIN_NOTICE)
        covariance = np.zeros((len(MEAN), len(MEAN)))
        for i, row in enumerate(COVARIANCE_ROWS):
            covariance[i, : i + 1] = covariance[: i + 1, i] = row
        return _airfoil(moment_twin(MEAN, covariance, AIRFOIL_ROWS, TWIN_SEED), "twin")
    table = np.loadtxt(io.BytesIO(_checked_bytes(path)))
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    return _airfoil(table[:AIRFOIL_ROWS], "measured")


def airfoil_is_measured() -> bool:
    """Whether `load_airfoil` would return the measured set. Never raises, prints nothing."""
    try:
        return airfoil_path() is not None
    except (OSError, ValueError):
        return False


def airfoil_path() -> Path | None:
    """The verified file of the measured set, or None where it cannot be had.

    Raises ValueError for a file that is there but is not the expected one: it is not replaced.
    """
    import pooch  # type: ignore[import-untyped]

    cache = Path(pooch.os_cache("descent"))
    named = os.environ.get("DESCENT_DATA")
    for folder in ([Path(named)] if named else []) + [cache]:
        path = folder / AIRFOIL_FILE
        if os.path.isfile(path):  # unlike Path.is_file, False for a folder that may not be entered
            _checked_bytes(path)
            return path
    return _fetched(cache)


def _checked_bytes(path: Path) -> bytes:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != AIRFOIL_SHA256:
        raise ValueError(
            f"{path} ({len(content)} bytes) is not NASA's airfoil file: expected SHA-256 "
            f"{AIRFOIL_SHA256}, found {found}; remove the file or put the right one there"
        )
    return content


def _airfoil(table: FloatArray, source: Literal["measured", "twin"]) -> Airfoil:
    features, targets = np.ascontiguousarray(table[:, :-1]), table[:, -1].copy()
    return Airfoil(features, targets, AIRFOIL_FEATURES, source)


@functools.cache
def _fetched(cache: Path) -> Path | None:
    """The file from the network, kept in `cache` where that can be written.

    Asked once in a process: where there is no network, only the first call waits.
    """
    for address in AIRFOIL_ADDRESSES:
        # OSError: no answer, one that says no, or no place for it. ValueError: not the file.
        with contextlib.suppress(OSError, ValueError):
            return _retrieve(address, cache if _can_write(cache) else _temporary_folder())
    return None


def _retrieve(address: str, folder: Path) -> Path:
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        path = pooch.retrieve(
            address,
            f"sha256:{AIRFOIL_SHA256}",
            fname=AIRFOIL_FILE,
            path=folder,
            downloader=_write_answer,
        )
    finally:
        logger.setLevel(level)
    return Path(path)


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


def _write_answer(address: str, output_file: str, _: Any) -> None:
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
                if time.monotonic() > deadline or len(content) > _LONGEST_ANSWER:
                    return
        answer.append(content)


def moment_twin(mean: ArrayLike, covariance: ArrayLike, rows: int, seed: int) -> FloatArray:
    r"""A Gaussian sample whose own mean and covariance are exactly the given ones.

    A standard normal sample Z is centred, whitened by the Cholesky factor of its own covariance and
    coloured by that of the wanted one: with :math:`Z^\top Z / n = K K^\top` and
    :math:`\Sigma = L L^\top`, the rows of :math:`Z K^{-\top} L^\top + \mu` have mean
    :math:`\mu` and covariance :math:`\Sigma`, up to rounding.

    mean: (k,). covariance: (k, k), positive definite, the mean product of deviations (divided by
    the number of rows). Returns (rows, k).
    """
    centre = np.asarray(mean, dtype=np.float64)
    wanted = np.asarray(covariance, dtype=np.float64)
    if centre.ndim != 1 or centre.size == 0 or not np.isfinite(centre).all():
        raise ValueError(f"mean must be a non-empty vector of finite numbers, got {mean!r}")
    k = centre.size
    if wanted.shape != (k, k) or not np.allclose(wanted, wanted.T, rtol=1e-12, atol=0.0):
        raise ValueError(f"covariance must be a symmetric ({k}, {k}) matrix, got {covariance!r}")
    check_count("rows", rows, k + 1)
    check_count("seed", seed, 0)
    try:
        colour = np.linalg.cholesky(wanted)
    except np.linalg.LinAlgError:
        raise ValueError(f"covariance must be positive definite, got {covariance!r}") from None
    sample = np.random.default_rng(seed).standard_normal((rows, k))
    sample -= sample.mean(axis=0)
    own = np.linalg.cholesky(sample.T @ sample / rows)
    twin: FloatArray = np.linalg.solve(own, sample.T).T @ colour.T + centre
    return twin


@dataclass(frozen=True, eq=False)
class SparseData:
    """A binary classification in which most features are absent from most rows.

    features: (rows, columns), 1 where a feature is present and 0 elsewhere.
    targets: (rows,), 0 or 1.
    weights: (columns,), those of the logistic model that drew the targets.
    frequencies: (columns,), the probability that each feature is present, largest first.
    """

    features: FloatArray
    targets: FloatArray
    weights: FloatArray
    frequencies: FloatArray


def sparse_features(
    rows: int = 2000,
    columns: int = 100,
    exponent: float = 1.0,
    strength: float = 2.0,
    seed: int = 0,
) -> SparseData:
    r"""Rare features that matter as much as frequent ones, the setting that AdaGrad was made for.

    Feature j = 1, 2, ... is present with probability :math:`j^{-a} / 2`, as words are in texts (a =
    `exponent`). Each has the weight +`strength` or -`strength`, and a target is 1 with probability
    :math:`1 / (1 + e^{-w \cdot x})`. The setting: J. Duchi, E. Hazan and Y. Singer, JMLR 12, 2011,
    section 1.3.
    """
    check_count("rows", rows, 1)
    check_count("columns", columns, 1)
    check_interval("exponent", exponent, "[0, inf)")
    check_interval("strength", strength, "[0, inf)")
    check_count("seed", seed, 0)
    rng = np.random.default_rng(seed)
    frequencies = np.arange(1.0, columns + 1.0) ** -exponent / 2
    weights = strength * rng.choice([-1.0, 1.0], columns)
    features = (rng.random((rows, columns)) < frequencies).astype(np.float64)
    targets = (rng.random(rows) < 1 / (1 + np.exp(-features @ weights))).astype(np.float64)
    return SparseData(features, targets, weights, frequencies)


@dataclass(frozen=True, eq=False)
class SequenceTask:
    """Sequences with one number to be said at the end of each.

    inputs: (rows, length, 2), at each moment a value and a marker. targets: (rows,).
    """

    inputs: FloatArray
    targets: FloatArray


def sequence_task(rows: int = 1000, length: int = 20, seed: int = 0) -> SequenceTask:
    """The adding problem: say the sum of the two marked values, after the whole sequence.

    Values are uniform on [0, 1). The marker is 1 at one moment of each half and 0 elsewhere. Always
    saying 1, the mean, has a mean squared error of 1/6. After S. Hochreiter and J. Schmidhuber,
    Neural Computation 9, 1997, section 5.4, whose values lie in [-1, 1], whose lengths vary and
    whose targets are scaled.
    """
    check_count("rows", rows, 1)
    check_count("length", length, 2)
    check_count("seed", seed, 0)
    rng = np.random.default_rng(seed)
    values = rng.random((rows, length))
    markers = np.zeros_like(values)
    every, half = np.arange(rows), length // 2
    markers[every, rng.integers(0, half, rows)] = 1.0
    markers[every, rng.integers(half, length, rows)] = 1.0
    return SequenceTask(np.stack([values, markers], axis=-1), (values * markers).sum(axis=1))
