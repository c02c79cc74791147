"""The recipes of networks for tables, by the name that `preset` has for them, a file each."""

from chainrule.presets import fast, realmlp, tabm
from chainrule.presets.base import Recipe

PRESETS: dict[str, Recipe] = {"fast": fast.RECIPE, "realmlp": realmlp.RECIPE, "tabm": tabm.RECIPE}
"""The recipes by name."""
DEFAULT = "fast"
"""The one of preprocess="auto" alone."""
BEST = "best"
"""The preset that is a race of several recipes; its table is prepared as that of the default one."""
ADDITIVE = "additive"
"""The preset whose network is a sum of terms; a fit chooses pairs of columns and makes one network of several."""
