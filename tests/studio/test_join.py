"""The page's modules keep to the form by which they are joined, and one script does what the modules do."""

from __future__ import annotations

import re
from graphlib import CycleError

import pytest

from chainrule.studio.page.assets import modules
from chainrule.studio.page.join import EXPORT, IMPORT, imports, join


def test_every_module_keeps_to_the_form():
    """A statement of another form, as `export default` or `export let`, would stay, and the script be none."""
    for path, text in modules().items():
        rest = re.sub(r"/\*.*?\*/", "", EXPORT.sub("", IMPORT.sub("", text)), flags=re.DOTALL)
        assert re.findall(r"^\s*(?:import|export)\b.*", rest, re.MULTILINE) == [], path
        assert not re.search(r"\bimport[.(]|\$modules", rest), path
        assert len(EXPORT.findall(text)) == len(set(EXPORT.findall(text))), path


def test_what_is_imported_is_exported_there():
    for path, text in modules().items():
        for at, names in imports(path, text):
            own = {name.partition(" as ")[0] for name in names.split(", ")}
            assert own <= set(EXPORT.findall(modules()[at])), f"{path} imports from {at}"


def test_no_export_is_idle():
    """What no other module imports needs no export, but for what the notebook and tests of a page read."""
    used = {
        (at, name.partition(" as ")[0])
        for path, text in modules().items()
        for at, names in imports(path, text)
        for name in names.split(", ")
    }
    exported = {(path, name) for path, text in modules().items() for name in EXPORT.findall(text)}
    read = {
        ("chart.js", "rounded"),
        ("engine/client.js", "connect"),
        ("flat.js", "SIGNED"),
        ("operations.js", "operations"),
        ("pace.js", "between"),
        ("plane_colors.js", "classColors"),
    }
    assert exported - used == {("widget.js", "render")} | read


def test_modules_stand_behind_those_that_they_import_from():
    sources = {
        "main.js": "import { b } from './parts/b.js';\nimport { a as one } from './a.js';\n"
        "export const main = b + one;\n",
        "parts/b.js": "import { a } from '../a.js';\nexport const b = a;\n",
        "a.js": "export const a = 1;\n",
        "idle.js": "",
    }
    script = join("main.js", sources)
    places = [script.index(f"$modules['{path}'] = ") for path in ("a.js", "parts/b.js", "main.js")]
    assert places == sorted(places) and "idle.js" not in script
    assert "const { a: one } = $modules['a.js'];" in script
    assert join("main.js", sources, default="main").endswith(
        "export default { main: $modules['main.js'].main };\n"
    )
    with pytest.raises(CycleError):
        join("main.js", sources | {"a.js": "import { b } from './parts/b.js';\nexport const a = b;\n"})
