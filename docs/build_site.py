"""Builds the site into a folder that any web server serves: `make site`, or `python docs/build_site.py [FOLDER]`.

    play/    the studio in the browser, where Emscripten is installed
    pages/   screens of the studio and reports of the laboratory, as single files
    ...      everything else, by Sphinx, to which a warning is an error

The three do not need each other, and are built side by side. `check_site.py` first imports what the reference
describes, and in the end follows every link. The environment variable SITE_URL has the address at which the site will
be served, for its map and its social cards; SITE_WORK a part of the reports' work, 1 unless it is set, for a site that
is only tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check_site import faults

from chainrule import lab
from chainrule.lab.vanishing import ARMS as NETWORKS
from chainrule.lab.without_backprop import ARMS as METHODS
from chainrule.studio import screens
from chainrule.studio.page.export import offline_page
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio

DOCS = Path(__file__).resolve().parent
BUILT = DOCS / "_build" / "html"
ENGINE_IN_PAGE = DOCS.parent / "native" / "build_web.py"
STUDIO_IN_PAGE = "chainrule.studio.page.static"
"""The module that writes a folder, given as its argument."""
RUNS = {
    "vanishing": {"arms": list(NETWORKS), "depth": 10, "budget": 0.1},
    "without_backprop": {"arms": list(METHODS), "passes": 1000},
}
"""Experiments of the studio by the screen's name, with arguments that make them take seconds."""
REPORTS = {
    "vanishing": 0.1,
    "without-backprop": 0.1,
    "universality": 0.2,
    "optimizers": 0.2,
    "regularization": 0.5,
    "features": 0.3,
}
"""Experiments of the laboratory with the fraction of their work that is done, by one seed: a minute of one core."""
WORK = float(os.environ.get("SITE_WORK", "1"))
"""The part of that work that this build does."""
SECONDS = 300.0
"""The maximum time of an experiment; what there is then is shown."""

assert screens.__name__, "its import registers the commands"


def run(*arguments: str | Path) -> None:
    """Run Python with these arguments; ends the build where it fails."""
    subprocess.run([sys.executable, *arguments], cwd=DOCS.parent, check=True)


def play(folder: Path) -> None:
    """Write the studio with the engine in WebAssembly."""
    run(ENGINE_IN_PAGE)
    run("-m", STUDIO_IN_PAGE, folder)


def pages(folder: Path) -> None:
    """Write screens of the studio as files: the plane, which trains by itself, and a run of each experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plane.html").write_bytes(offline_page(Studio(), {"screen": "plane"}, []))
    for screen, arguments in RUNS.items():
        studio = Studio()
        state = find(f"{screen}.start")(studio, arguments)
        end = time.monotonic() + SECONDS
        while state["run"]["running"] and time.monotonic() < end:
            time.sleep(0.2)
            state = find(f"{screen}.get")(studio, {})
        (folder / f"{screen}.html").write_bytes(offline_page(studio, {"screen": screen}, []))
        studio.close()


def reports(folder: Path) -> None:
    """Write the report of each experiment of the laboratory, with the figures, from a short run."""
    for name, budget in REPORTS.items():
        lab.run(name, budget=WORK * budget, repeats=1).write(folder / f"lab-{name}.html")


def main(built: Path) -> int:
    """Build everything, and return the exit status."""
    run(DOCS / "check_site.py")
    is_playable = shutil.which("em++") is not None
    shutil.rmtree(built / "play", ignore_errors=True)
    if not is_playable:
        print(
            "Emscripten (em++) is not installed, so the site is built without play/, the studio in the browser."
        )
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    options += ["--tag", "play"] if is_playable else []
    options += ["--doctree-dir", str(built.parent / "doctrees")]
    with ThreadPoolExecutor() as pool:  # of threads that wait for a process each
        begun = [pool.submit(run, "-m", "sphinx", *options, DOCS, built)]
        begun += [pool.submit(play, built / "play")] if is_playable else []
        pages(built / "pages")
        reports(built / "pages")
    for each in begun:
        each.result()
    found = faults(built)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{built / 'index.html'}: {len(found)} faults" if found else built / "index.html")
    return min(len(found), 1)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else BUILT))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
