"""Run the notebooks that are out of date, in place, on all cores.

    python code/tools/execute.py                              all of chapters/
    python code/tools/execute.py chapters/04-momentum.ipynb   the named ones alone

A notebook is up to date when nothing that decides its outputs has changed since they were stored:
its code, metadata *and* outputs (so an edited or discarded output is noticed; prose may change),
everything in code/descent but what was measured (*.json), requirements.txt, constraints.txt, this
script, and the files that it says it reads. All of that goes into one SHA-256, kept in
_build/executed/. Times of files play no part. The tests keep such records too, of notebooks that
gave them exactly what is stored.

A notebook that reads other files of the book says so in its metadata, as patterns from the top
folder:

    "descent": {"reads": ["chapters/[0-9]*.ipynb"]}

It then runs after those of the matching notebooks that run too, and again whenever a matching file
changes.

A notebook is written whole or not at all, and in one canonical form: the same outputs give the same
bytes. A cell that raises, writes to stderr or stores a path of this machine stops everything; its
notebook stays as it was. Where another process runs notebooks or builds pages in this folder, this
one waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from alone import alone

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "_build" / "executed"
CELL_SECONDS = 600


def instruction_sets() -> list[str]:
    """Return NumPy's names of what it can use of this processor beyond the least it needs."""
    ask = (
        "from numpy._core import _multiarray_umath as built\n"
        "print(*(name for name in built.__cpu_dispatch__ if built.__cpu_features__[name]))"
    )
    # In another process: NumPy reads the environment once, when it is first imported.
    plain = {k: v for k, v in os.environ.items() if not k.endswith("ABLE_CPU_FEATURES")}
    return subprocess.run(
        [sys.executable, "-c", ask], env=plain, capture_output=True, text=True, check=True
    ).stdout.split()


def shared_arithmetic(found: Collection[str]) -> dict[str, str]:
    """Return settings that make x86-64 machines with and without AVX-512 compute the same bits.

    Where training is sensitive, a last bit grows until it shows. NumPy refuses names that are not
    of its kind of processor, and OpenBLAS calls what it is told to, so each is set only where
    `instruction_sets` found what it names.
    """
    wide = [name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if name in found]
    return {
        "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
        **({"OPENBLAS_CORETYPE": "Haswell"} if "X86_V3" in found else {}),
    }


INSTRUCTION_SETS = instruction_sets()
ENVIRONMENT = {
    # One thread a kernel: the cores are shared out among notebooks, and sums keep their order.
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
        "1",
    ),
    **shared_arithmetic(INSTRUCTION_SETS),
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or debugpy warns on stderr
    # Nobody's own settings, start-up files and kernels; and no need of a home that can be written.
    "IPYTHONDIR": str(ROOT / "_build" / "ipython"),
    "JUPYTER_DATA_DIR": str(ROOT / "_build" / "jupyter"),
    "MPLCONFIGDIR": str(ROOT / "_build" / "matplotlib"),
}
# Of a user's, too, and without a neutral value. The kernel chooses the backend: figures go inline.
UNSET = ("MPLBACKEND", "MATPLOTLIBRC", "PYTHONSTARTUP")

# The stored outputs come from x86-64 with AVX2 and the GNU C library: such machines get the same
# bytes. Others round otherwise. Measured without AVX2 and FMA in NumPy, OpenBLAS, torch and the C
# library: the bytes of a few figures differ, and of all numbers in texts three, one by a unit of
# its last digit and two that are themselves errors of rounding, near 1e-15. So a number may differ
# by such a unit, by PART of it where all its digits are printed, or where it is below NOISE.
EXACT = platform.libc_ver()[0] == "glibc" and "X86_V3" in INSTRUCTION_SETS
NUMBER = re.compile(r"(?<!<sup>)[-\N{MINUS SIGN}]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
PART, NOISE = Decimal("1e-6"), Decimal("1e-12")
ON_TWIN = "on the moment twin"
WITHIN = "this processor rounds otherwise; texts agree within a unit of each number's last digit"

# What would differ on another machine: folders of users, temporary files, addresses in memory.
MACHINE = re.compile(
    r"(?:/home/|/root/|/Users/|/tmp/|[A-Z]:\\Users\\|ipykernel_\d)\S*|\bat 0x[0-9a-fA-F]{6,}"
)


def set_environment() -> None:
    """Give this process, and what it starts, the environment in which outputs are reproducible."""
    os.environ.update(ENVIRONMENT)
    for name in UNSET:
        os.environ.pop(name, None)


def cores() -> int:
    """Return how many cores this process may use, by its affinity and its container's limit."""
    import joblib  # brings NumPy along, which must find the environment set

    count: int = joblib.cpu_count()
    return count


class Stop(Exception):
    """A notebook that cannot be stored; the message is for the reader."""


@dataclass(frozen=True)
class Run:
    """What came of running one notebook: its new text, or why the stored one stays."""

    text: str | None
    seconds: float
    kept: str = ""


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of the parts, each told from the next by its length."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def common_inputs() -> str:
    """Return the digest of what every notebook depends on."""
    package = ROOT / "code" / "descent"
    files = [
        p
        for p in package.rglob("*")
        if p.is_file() and p.suffix != ".json" and "__pycache__" not in p.parts
    ]
    names = "requirements.txt constraints.txt code/tools/execute.py"
    files += [ROOT / name for name in names.split()]
    return digest(
        *(
            x
            for p in sorted(files)
            for x in (p.relative_to(ROOT).as_posix().encode(), p.read_bytes())
        )
    )


def parsed(path: Path) -> dict[str, Any]:
    """Return the notebook as data; raises Stop, which names the file, where it is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Stop(f"{path.relative_to(ROOT)} is not a notebook: {error}") from None
    try:
        if not isinstance(content["metadata"], dict):
            raise TypeError
        for cell in content["cells"]:
            cell["cell_type"] + ""
    except (KeyError, TypeError):
        raise Stop(
            f"{path.relative_to(ROOT)} is not a notebook: it lacks cells or metadata"
        ) from None
    if content.get("nbformat") != 4:
        raise Stop(
            f"{path.relative_to(ROOT)} is not a notebook of format 4: "
            f"nbformat is {content.get('nbformat')!r}"
        )
    return content


@contextmanager
def valid(path: Path) -> Iterator[None]:
    """Raise Stop, which names the file, where its parts turn out not to be a notebook's."""
    try:
        yield
    except nbformat.ValidationError as error:
        raise Stop(f"{path.relative_to(ROOT)} is not a notebook: {error.message}") from None


def reads(notebook: Path) -> list[Path]:
    """Return the files that the notebook says it reads, itself left out."""
    patterns = parsed(notebook)["metadata"].get("descent", {})
    try:
        patterns = patterns.get("reads", [])
        if not isinstance(patterns, list):
            raise TypeError
        found = {p.resolve() for pattern in patterns for p in ROOT.glob(pattern) if p.is_file()}
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        raise Stop(
            f"{notebook.relative_to(ROOT)} must say what it reads as a list of patterns from the "
            f"top folder, got {patterns!r}"
        ) from None
    return sorted(found - {notebook})


def fingerprint(common: str, notebook: Path, inputs: list[bytes] | None = None) -> str:
    """Return the digest of the notebook less its prose, and of what decides its outputs.

    inputs: what it read, if that may have changed since.
    """
    if inputs is None:
        inputs = [p.read_bytes() for p in reads(notebook)]
    content = parsed(notebook)
    content["cells"] = [c for c in content["cells"] if c.get("cell_type") != "markdown"]
    return digest(common.encode(), json.dumps(content, sort_keys=True).encode(), *inputs)


def record_of(notebook: Path) -> Path:
    return RECORDS / f"{notebook.stem}.json"


def recall(notebook: Path) -> dict[str, Any]:
    """Return what is remembered of the notebook's last run; empty when nothing is."""
    try:
        record: dict[str, Any] = json.loads(record_of(notebook).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record


def remember(
    notebook: Path, mark: str, content: bytes, seconds: float, *, twin: bool = False
) -> None:
    """Keep what tells later that the notebook, with this content, is up to date."""
    record = {"fingerprint": mark, "file": digest(content), "seconds": round(seconds, 2)}
    write_whole(record_of(notebook), json.dumps(record | {"twin": twin}) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace the file in one step, so that an interruption leaves the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, path.stat().st_mode if path.exists() else 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def stale_notebooks(notebooks: list[Path], common: str) -> list[Path]:
    """Return those out of date, the ones that took longest first."""
    records = {notebook: recall(notebook) for notebook in notebooks}
    if any(record.get("twin") for record in records.values()):
        from descent.data import airfoil_is_measured

        if airfoil_is_measured():  # the real data has come within reach since
            records = {n: {} if r.get("twin") else r for n, r in records.items()}
    stale = {n for n, r in records.items() if r.get("fingerprint") != fingerprint(common, n)}
    while more := {n for n in notebooks if n not in stale and stale.intersection(reads(n))}:
        stale |= more
    return sorted(stale, key=lambda n: (-records[n].get("seconds", 0.0), -n.stat().st_size))


def load(text: str, *, outputs: bool = False) -> nbformat.NotebookNode:
    """Parse a notebook, with or without its outputs, and with an id for each cell."""
    content = json.loads(text)
    nbformat.validate(content)
    for number, cell in enumerate(content["cells"]):
        cell.setdefault("id", f"cell-{number:03d}")
        if cell["cell_type"] == "code" and not outputs:
            cell["outputs"], cell["execution_count"] = [], None
    content["nbformat_minor"] = 5
    notebook: nbformat.NotebookNode = nbformat.reads(json.dumps(content), as_version=4)
    return notebook


def canonical(notebook: nbformat.NotebookNode) -> str:
    """Return the one text that stands for these sources and outputs."""
    notebook.metadata.kernelspec = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.language_info = {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        merged: list[Any] = []
        for output in cell.outputs:
            last = merged[-1] if merged else None
            if (
                last
                and output.output_type == last.output_type == "stream"
                and output.name == last.name
            ):
                last.text += output.text
            else:
                merged.append(output)
        cell.outputs = merged
    nbformat.validate(notebook)
    text: str = nbformat.writes(notebook)
    return text.rstrip("\n") + "\n"


def tidy(notebook: Path) -> None:
    """Put a notebook whose prose alone has changed since it ran into its canonical form."""
    record, before = recall(notebook), notebook.read_bytes()
    if record["file"] == digest(before):
        return
    after = canonical(load(before.decode("utf-8"), outputs=True))
    write_whole(notebook, after)
    write_whole(record_of(notebook), json.dumps(record | {"file": digest(after.encode())}) + "\n")


def output_texts(output: Any, *, pictures: bool = True) -> list[str]:
    """Return the texts of a stored output, with or without SVG; pictures in base64 are none."""
    if output["output_type"] == "stream":
        return ["".join(output["text"])]
    # Sorted, as in a notebook's file: a kernel's outputs come in an order of their own.
    data = sorted(output.get("data", {}).items())
    return [
        "".join(value) if isinstance(value, (str, list)) else json.dumps(value, sort_keys=True)
        for kind, value in data
        if not kind.startswith("image/") or (pictures and kind == "image/svg+xml")
    ]


def place(name: str, notebook: nbformat.NotebookNode, index: int) -> str:
    source = "\n".join("    " + line for line in notebook.cells[index].source.splitlines())
    return f"{name}, cell {index + 1} of {len(notebook.cells)}:\n\n{source}\n"


def check_outputs(name: str, notebook: nbformat.NotebookNode) -> None:
    """Raise Stop for an output that would not be the same on another machine."""
    here = [str(ROOT), os.path.expanduser("~"), sys.prefix]
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise Stop(f"{place(name, notebook, index)}\nwrote to stderr:\n\n{output.text}")
            for text in output_texts(output):
                found = MACHINE.search(text)
                wrong = (
                    found.group()
                    if found
                    else next((p for p in here if len(p) > 1 and p in text), None)
                )
                if wrong:
                    raise Stop(
                        f"{place(name, notebook, index)}\nwould store what only this machine has: "
                        f"{wrong}"
                    )


def alike(stored: str, fresh: str) -> bool:
    """Tell whether two texts are the same but for spaces and for what numbers may differ by."""
    if NUMBER.sub("#", stored).split() != NUMBER.sub("#", fresh).split():
        return False
    for pair in zip(NUMBER.findall(stored), NUMBER.findall(fresh), strict=True):
        a, b = (Decimal(number.replace("\N{MINUS SIGN}", "-")) for number in pair)
        unit = Decimal(1).scaleb(min(int(a.as_tuple().exponent), int(b.as_tuple().exponent)))
        if abs(a - b) > max(unit, PART * max(abs(a), abs(b)), NOISE):
            return False
    return True


def alike_outputs(stored: list[Any], fresh: list[Any]) -> bool:
    """Tell whether a cell's outputs are alike; of pictures it asks only that they are there."""

    def form(output: Any) -> list[Any]:
        return [output["output_type"], output.get("name"), *sorted(output.get("data", {}))]

    def texts(outputs: list[Any]) -> list[str]:
        return [text for output in outputs for text in output_texts(output, pictures=False)]

    return [form(o) for o in stored] == [form(o) for o in fresh] and all(
        map(alike, texts(stored), texts(fresh))
    )


def alike_cells(stored: list[Any], fresh: list[Any]) -> bool:
    return all(
        alike_outputs(one.get("outputs", []), other.get("outputs", []))
        for one, other in zip(stored, fresh, strict=True)
    )


def used_twin(notebook: nbformat.NotebookNode) -> bool:
    """Tell whether a cell announced that the airfoil data was replaced by its moment twin."""
    from descent.data import TWIN_NOTICE

    outputs = (o for cell in notebook.cells for o in cell.get("outputs", []))
    return any(TWIN_NOTICE in text for output in outputs for text in output_texts(output))


async def run(path: Path, text: str) -> Run:
    """Execute the notebook in a fresh kernel; raises Stop when it must not be stored."""
    notebook, at, began = load(text), 0, time.perf_counter()

    def starting(cell: Any, cell_index: int) -> None:
        nonlocal at
        at = cell_index

    kernel = AsyncKernelManager(kernel_name="python3")
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=CELL_SECONDS,
        record_timing=False,
        shutdown_kernel="immediate",
        on_cell_start=starting,
    )
    try:
        # The kernel warns of TCP, which here stays on the machine: only its errors are shown.
        await kernel.start_kernel(extra_arguments=["--log-level=ERROR"], cwd=str(path.parent))
        await client.async_execute(cleanup_kc=True)
    except CellExecutionError as error:
        output = notebook.cells[at].outputs[-1]
        traceback = "\n".join(output.get("traceback", [])) or str(error)
        if not sys.stderr.isatty():
            traceback = re.sub(r"\x1b\[[0-9;]*m", "", traceback)
        raise Stop(f"{place(path.stem, notebook, at)}\nraised:\n\n{traceback}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise Stop(f"{place(path.stem, notebook, at)}\n{error}") from None
    finally:
        if kernel.has_kernel:  # cancelled before the client took it over
            await kernel.shutdown_kernel(now=True)
    seconds = time.perf_counter() - began
    check_outputs(path.stem, notebook)
    if used_twin(notebook):
        return Run(None, seconds, ON_TWIN)
    fresh = canonical(notebook)
    if not EXACT and alike_cells(load(text, outputs=True).cells, notebook.cells):
        return Run(None, seconds, WITHIN)
    return Run(fresh, seconds)


class Loop(asyncio.SelectorEventLoop):
    """A loop on which nbclient cannot answer signals: it would kill its kernel and stumble."""

    def add_signal_handler(self, *_: object) -> None:
        raise RuntimeError


async def run_all(stale: list[Path], common: str) -> None:
    """Run the notebooks, as many at a time as there are cores; the first Stop ends the others."""
    done: dict[Path, asyncio.Event] = {path: asyncio.Event() for path in stale}
    free, count, finished = asyncio.Semaphore(cores()), len(stale), 0

    async def one(path: Path) -> None:
        nonlocal finished
        for other in reads(path):
            if other in done:
                await done[other].wait()
        async with free:
            before = path.read_bytes()
            inputs = [p.read_bytes() for p in reads(path)]
            with valid(path):
                result = await run(path, before.decode("utf-8"))
            if path.read_bytes() != before:
                raise Stop(f"{path.stem} was changed while it ran; it is left as it now is.")
            after = before if result.text is None else result.text.encode()
            if after != before:
                write_whole(path, after.decode())
            mark = fingerprint(common, path, inputs)
            remember(path, mark, after, result.seconds, twin=result.kept == ON_TWIN)
        finished += 1
        done[path].set()
        note = f"  ({result.kept}; stored outputs left as they are)" if result.kept else ""
        width = len(str(count))
        print(
            f"[{finished:{width + 1}}/{count}] {path.stem} {result.seconds:.1f} s{note}", flush=True
        )

    tasks = [asyncio.create_task(one(path)) for path in stale]
    try:
        # Not `gather`, which cancels them first and passes on what nbclient makes of that.
        for task in (await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))[0]:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def check_order(stale: list[Path]) -> None:
    """Raise Stop when notebooks read each other in a circle."""
    left = set(stale)
    while ready := {path for path in left if not left.intersection(reads(path))}:
        left -= ready
    if left:
        names = ", ".join(sorted(path.stem for path in left))
        raise Stop(f"these notebooks read each other in a circle: {names}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the notebooks that are out of date.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of chapters/")
    chosen = parser.parse_args().notebooks
    notebooks = sorted(p.resolve() for p in chosen or (ROOT / "chapters").glob("*.ipynb"))
    set_environment()
    try:
        with alone():
            began = time.perf_counter()
            common = common_inputs()
            stale = stale_notebooks(notebooks, common)
            for path in set(notebooks).difference(stale):
                with valid(path):
                    tidy(path)
            if not stale:
                print(f"Notebooks: all {len(notebooks)} up to date.")
                return 0
            check_order(stale)
            print(f"Notebooks: {len(stale)} of {len(notebooks)} to run.", flush=True)
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(run_all(stale, common))
    except Stop as stop:
        print(f"\nStopped. {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What had finished is stored; the rest is as it was.", file=sys.stderr)
        return 130
    print(f"Notebooks: done in {time.perf_counter() - began:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
