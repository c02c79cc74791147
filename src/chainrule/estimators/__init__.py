"""Estimators with scikit-learn's interface, and the preprocessor of tables.

Each name is loaded when it is first asked for, because scikit-learn takes its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.estimators.tables.preprocessor import TablePreprocessor

__all__ = ["TablePreprocessor"]

__getattr__, __dir__ = lazy(__name__, {"tables.preprocessor": ("TablePreprocessor",)})
