"""Whether slow tests of many cases take all of them: CHAINRULE_FULL=1 make test-all, which a workflow runs."""

from __future__ import annotations

import os

FULL = os.environ.get("CHAINRULE_FULL", "0") != "0"
