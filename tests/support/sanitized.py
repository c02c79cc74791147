"""Whether the tests run on a native engine that was built with a sanitizer, which takes its time."""

from __future__ import annotations

import os

SANITIZED = "CHAINRULE_NATIVE" in os.environ
"""`tests/sanitizers/run.sh` sets the variable: the file of the module under test."""
EVERY = 4 if SANITIZED and "SETS" in os.environ else 1
"""One random network of so many is trained: of four in continuous integration, which says what sets to build."""
