"""The measured data of the experiments: NASA's airfoil self-noise, or its moment twin.

Source: T. F. Brooks, D. S. Pope and M. A. Marcolini, *Airfoil self-noise and prediction*, NASA
RP-1218, 1989; UCI Machine Learning Repository, data set 291, CC BY 4.0.
"""

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from descent._checks import Floats
from descent._moments import COVARIANCE_ROWS, MEAN
from descent.download import LARGEST, fetched, user_cache
from descent.generators import moment_twin

__all__ = ["TWIN_NOTICE", "Airfoil", "airfoil_is_measured", "airfoil_path", "load_airfoil"]

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


@dataclass(frozen=True, eq=False)
class Airfoil:
    """The airfoil set, ready for regression.

    features: (1500, 5), each column standardised, in the order of `feature_names`.
    targets: (1500,), the sound pressure level, standardised.
    source: "measured" for NASA's numbers, "twin" for their moment twin.
    """

    features: Floats
    targets: Floats
    feature_names: tuple[str, ...]
    source: Literal["measured", "twin"]


def load_airfoil() -> Airfoil:
    """NASA's airfoil self-noise measurements, or their moment twin where they cannot be had.

    Columns are standardised over all 1503 rows with the population standard deviation; then the
    first 1500 rows are kept. The file is looked for in the folder that DESCENT_DATA names, in the
    user's cache, and on the network, where it waits at most `download.SECONDS_PER_ADDRESS` for each
    of `AIRFOIL_ADDRESSES`. Without it the twin is returned, and `TWIN_NOTICE` printed.

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
    named = os.environ.get("DESCENT_DATA")
    for folder in (named, user_cache()):
        # Unlike Path.exists, os.path.exists is False in a folder that may not be entered.
        if folder and os.path.exists(path := Path(folder, AIRFOIL_FILE)):
            _checked_bytes(path)
            return path
    return fetched(AIRFOIL_ADDRESSES, AIRFOIL_SHA256, AIRFOIL_FILE)


def _checked_bytes(path: Path) -> bytes:
    size = path.stat().st_size
    if not path.is_file():  # reading a pipe would wait for ever
        found = "no regular file"
    elif size > LARGEST:
        found = "too large a file to read"
    else:
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found == AIRFOIL_SHA256:
            return content
    raise ValueError(
        f"{path} ({size} bytes) is not NASA's airfoil file: expected SHA-256 "
        f"{AIRFOIL_SHA256}, found {found}; remove the file or put the right one there"
    )


def _airfoil(table: Floats, source: Literal["measured", "twin"]) -> Airfoil:
    features, targets = np.ascontiguousarray(table[:, :-1]), table[:, -1].copy()
    return Airfoil(features, targets, AIRFOIL_FEATURES, source)
