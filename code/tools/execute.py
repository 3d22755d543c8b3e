"""Run the notebooks that are out of date, in place, on all cores.

    python code/tools/execute.py                              all of chapters/
    python code/tools/execute.py chapters/04-momentum.ipynb   the named ones alone

A notebook is up to date when nothing that decides its outputs has changed since they were stored:
its file (sources, metadata *and* outputs, so an edited or discarded output is noticed), everything
in code/descent, chapters/claims.toml, requirements.txt, constraints.txt, this script, and the files
that it says it reads. All of that goes into one SHA-256, kept in _build/executed/. Times of files
play no part.

A notebook that reads other files of the book says so in its metadata, as patterns from the top
folder:

    "descent": {"reads": ["chapters/[0-9]*.ipynb"]}

It then runs after those of the matching notebooks that run too, and again whenever a matching file
changes.

A notebook is written whole or not at all, and in one canonical form: the same outputs give the same
bytes. A cell that raises, writes to stderr or stores a path of this machine stops everything; its
notebook stays as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "_build" / "executed"
CELL_SECONDS = 600

ENVIRONMENT = {
    # One thread a kernel: the cores are shared out among notebooks, and sums keep their order.
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
        "1",
    ),
    # Arithmetic that x86-64 machines with and without AVX-512 share: where training is sensitive,
    # a last bit grows until it shows. A machine without a feature, or of another kind, ignores it.
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    **({"OPENBLAS_CORETYPE": "Haswell"} if platform.machine() in {"x86_64", "AMD64"} else {}),
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or debugpy warns on stderr
    "IPYTHONDIR": str(ROOT / "_build" / "ipython"),  # nobody's own start-up files and history
}

# What would differ on another machine: folders of users, temporary files, addresses in memory.
MACHINE = re.compile(
    r"(?:/home/|/root/|/Users/|/tmp/|[A-Z]:\\Users\\|ipykernel_\d)\S*|\bat 0x[0-9a-fA-F]{6,}"
)


class Stop(Exception):
    """A notebook that cannot be stored; the message is for the reader."""


@dataclass(frozen=True)
class Run:
    """What came of running one notebook: its new text, or None where the stored one must stay."""

    text: str | None
    seconds: float


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of the parts, each told from the next by its length."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def common_inputs() -> str:
    """Return the digest of what every notebook depends on."""
    package = ROOT / "code" / "descent"
    files = [p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    files += [ROOT / "requirements.txt", ROOT / "constraints.txt", Path(__file__).resolve()]
    files += [ROOT / "chapters" / "claims.toml"]
    return digest(
        *(
            x
            for p in sorted(files)
            for x in (p.relative_to(ROOT).as_posix().encode(), p.read_bytes())
        )
    )


def reads(notebook: Path) -> list[Path]:
    """Return the files that the notebook says it reads, itself left out."""
    metadata = json.loads(notebook.read_bytes())["metadata"]
    patterns = metadata.get("descent", {}).get("reads", [])
    return sorted({p.resolve() for pattern in patterns for p in ROOT.glob(pattern)} - {notebook})


def fingerprint(common: str, notebook: Path) -> str:
    """Return the digest of the notebook, outputs and all, and of what decides its outputs."""
    return digest(
        common.encode(), notebook.read_bytes(), *(p.read_bytes() for p in reads(notebook))
    )


def record_of(notebook: Path) -> Path:
    return RECORDS / f"{notebook.stem}.json"


def recall(notebook: Path) -> dict[str, Any]:
    """Return what is remembered of the notebook's last run; empty when nothing is."""
    try:
        record: dict[str, Any] = json.loads(record_of(notebook).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record


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


def load(text: str) -> nbformat.NotebookNode:
    """Parse a notebook, without its outputs, and with an id for each cell."""
    content = json.loads(text)
    for number, cell in enumerate(content["cells"]):
        cell.setdefault("id", f"cell-{number:03d}")
        if cell["cell_type"] == "code":
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


def output_texts(output: Any) -> list[str]:
    """Return the texts of a stored output; pictures in base64 are none."""
    if output["output_type"] == "stream":
        return ["".join(output["text"])]
    data = output.get("data", {})
    return [
        "".join(value) if isinstance(value, (str, list)) else json.dumps(value)
        for kind, value in data.items()
        if not kind.startswith("image/") or kind == "image/svg+xml"
    ]


def place(name: str, notebook: nbformat.NotebookNode, index: int) -> str:
    source = "\n".join("    " + line for line in notebook.cells[index].source.splitlines())
    return f"{name}, cell {index + 1} of {len(notebook.cells)}:\n\n{source}\n"


def check_outputs(name: str, notebook: nbformat.NotebookNode) -> None:
    """Raise Stop for an output that would not be the same on another machine."""
    here = [str(ROOT), str(Path.home()), sys.prefix]
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
    return Run(None if used_twin(notebook) else canonical(notebook), seconds)


async def run_all(stale: list[Path], common: str) -> None:
    """Run the notebooks, as many at a time as there are cores; the first Stop ends the others."""
    done: dict[Path, asyncio.Event] = {path: asyncio.Event() for path in stale}
    cores, count, finished = asyncio.Semaphore(os.cpu_count() or 1), len(stale), 0

    async def one(path: Path) -> None:
        nonlocal finished
        for other in reads(path):
            if other in done:
                await done[other].wait()
        async with cores:
            before = path.read_bytes()
            inputs = [p.read_bytes() for p in reads(path)]
            result = await run(path, before.decode("utf-8"))
            if path.read_bytes() != before:
                raise Stop(f"{path.stem} was changed while it ran; it is left as it now is.")
            after = before if result.text is None else result.text.encode()
            if after != before:
                write_whole(path, after.decode())
            record = {
                "fingerprint": digest(common.encode(), after, *inputs),
                "seconds": round(result.seconds, 2),
                "twin": result.text is None,
            }
            write_whole(record_of(path), json.dumps(record) + "\n")
        finished += 1
        done[path].set()
        note = (
            "  (on the moment twin; stored outputs left as they are)" if result.text is None else ""
        )
        width = len(str(count))
        print(
            f"[{finished:{width + 1}}/{count}] {path.stem} {result.seconds:.1f} s{note}", flush=True
        )

    tasks = [asyncio.create_task(one(path)) for path in stale]
    try:
        await asyncio.gather(*tasks)
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
    os.environ.update(ENVIRONMENT)
    os.environ.pop("MPLBACKEND", None)  # the kernel chooses: figures go into the notebook
    began = time.perf_counter()
    try:
        common = common_inputs()
        stale = stale_notebooks(notebooks, common)
        if not stale:
            print(f"Notebooks: all {len(notebooks)} up to date.")
            return 0
        check_order(stale)
        print(f"Notebooks: {len(stale)} of {len(notebooks)} to run.", flush=True)
        with contextlib.suppress(FileExistsError):
            RECORDS.mkdir(parents=True)
        asyncio.run(run_all(stale, common))
    except Stop as stop:
        print(f"\nStopped. {stop}", file=sys.stderr)
        return 1
    print(f"Notebooks: done in {time.perf_counter() - began:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
