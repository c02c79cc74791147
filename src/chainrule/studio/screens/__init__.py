"""The commands of each screen, one subpackage or module per screen; importing this package registers all of them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

for _module in sorted(found.name for found in walk_packages(__path__, f"{__name__}.")):
    import_module(_module)
