"""What the native engine says where its module is missing, or is there and does not load."""

import os
import subprocess
import sys

MISSING = "sys.modules['chainrule.engines.native._native'] = None"
BROKEN = """
from importlib.machinery import ModuleSpec
class Broken:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.endswith("._native") else None
    def create_module(self, spec):
        raise ImportError("libstdc++.so.6: version `GLIBCXX_3.4.30' not found")
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Broken())
"""


def reason(before: str) -> str:
    code = f"import sys\n{before}\nfrom chainrule.engines.native import REASON\nprint(REASON)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_a_package_without_the_module_says_how_to_build_it():
    said = reason(MISSING)
    assert said.startswith("it was not built during installation, which needs GCC or Clang")
    assert (
        "`pip install --force-reinstall --no-deps --no-cache-dir --no-binary chainrule chainrule` builds it"
        in said
    )


def test_a_module_that_does_not_load_says_why():
    assert (
        reason(BROKEN)
        == "its module does not load here (libstdc++.so.6: version `GLIBCXX_3.4.30' not found)\n"
    )
