"""Build the engine for web pages, in build/web: all files that a page with it needs.

They are engine.wasm, description.json, which is what the page knows of the package, and the JavaScript modules of
engine/ with those that they import.

    python native/build_web.py [FOLDER]

Compiling takes some 20 s of one core, and happens only if a file of native/ has changed since; of processes that build
at once, the first compiles and the others wait for it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NATIVE = Path(__file__).resolve().parent
BUILT = NATIVE.parent / "build" / "web"
MODULES = ("engine/client.js", "engine/worker.js")
"""Those that a page begins with."""
SOURCES = ("web.cpp", "program.cpp", "csr.cpp", "layout.cpp", "threads.cpp", "team_size.cpp", "faults.cpp")
COMPILE = (
    *(
        "-std=c++20",
        "-O3",
        "-msimd128",
        "-fwasm-exceptions",
        "-DCHAINRULE_ISA=baseline",
        "-DCHAINRULE_FOR_baseline",
    ),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"),
)
"""Flags of the compiler: those of CMakeLists.txt for the baseline, with WebAssembly's vectors and exceptions."""
LINK = (
    *(
        "-O1",
        "-fwasm-exceptions",
        "--no-entry",
        "-sSTANDALONE_WASM",
        "-sFILESYSTEM=0",
        "-sALLOW_MEMORY_GROWTH",
    ),
    *("-sMAXIMUM_MEMORY=4GB", "-sSTACK_SIZE=1MB", "-sEXPORTED_FUNCTIONS=_malloc,_free", "-Wl,--strip-debug"),
)
"""Flags of the linker: one file without Emscripten's JavaScript."""
MISSING = "make web needs Emscripten's em++, which is not there; install it (on Debian: apt-get install emscripten)."


def fingerprint() -> str:
    """Return a hash of everything that the module is made from."""
    files = sorted(path for path in NATIVE.rglob("*") if path.suffix in (".h", ".cpp", ".py"))
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.relative_to(NATIVE)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def compiled(folder: Path) -> bytes:
    """Compile the sources in a temporary folder, all at once, and return the linked module."""
    operations = sorted(path for path in (NATIVE / "ops").glob("*.h") if path.name != "all.h")
    (folder / "operations.h").write_text("".join(f'#include "{path}"\n' for path in operations))
    running = [
        subprocess.Popen(
            ["em++", *COMPILE, f"-I{folder}", "-c", str(NATIVE / name), "-o", str(folder / f"{name}.o")]
        )
        for name in SOURCES
    ]
    if any([process.wait() for process in running]):
        raise SystemExit("em++ could not compile the engine; its messages stand above.")
    module = folder / "engine.wasm"
    subprocess.run(
        ["em++", *LINK, *(str(folder / f"{name}.o") for name in SOURCES), "-o", str(module)], check=True
    )
    return module.read_bytes()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process builds in the folder. On Windows, which has no flock, nobody waits."""
    with (folder / ".lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(folder: Path = BUILT) -> Path:
    """Build what is not there or is not up to date, and return the folder. Raises SystemExit without Emscripten."""
    from chainrule.core.files import write_whole
    from chainrule.studio.description import description
    from chainrule.studio.page.assets import modules
    from chainrule.studio.page.join import needed

    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        stamp, now = folder / "engine.sha256", fingerprint()
        if not (stamp.exists() and stamp.read_text() == now and (folder / "engine.wasm").exists()):
            if shutil.which("em++") is None:
                raise SystemExit(MISSING)
            with tempfile.TemporaryDirectory() as temporary:
                write_whole(folder / "engine.wasm", compiled(Path(temporary)))
            write_whole(stamp, now.encode())
    scripts = modules()
    texts = {name: scripts[name] for name in needed(MODULES, scripts)}
    texts["description.json"] = json.dumps(description(), sort_keys=True) + "\n"
    for name, text in texts.items():
        path, content = folder / name, text.encode()
        if not (path.exists() and path.read_bytes() == content):  # another process may read it meanwhile
            write_whole(path, content)
    return folder


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:2])))
