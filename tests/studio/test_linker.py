"""The linker: what it takes, what it refuses and where, and that a linked script does what its modules do."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import pytest

from chainrule.errors import ChainruleError
from chainrule.studio.page import linker
from chainrule.studio.page.assets import modules
from chainrule.studio.page.linker import LinkError, link
from chainrule.studio.page.tokens import TokenError, tokenize

# --- the grammar


def fault(text: str, **others: str) -> tuple[int, str]:
    """The line and the sentence with which `text`, as main.js, is refused."""
    sources = {"main.js": text, **{f"{name}.js": other for name, other in others.items()}}
    with pytest.raises(LinkError) as caught:
        link("main.js", sources)
    assert isinstance(caught.value, ChainruleError) and isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(f"{caught.value.path}:{caught.value.line}: ")
    return caught.value.line, str(caught.value).partition(": ")[2]


X = "export const a = 1;\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("import x from './x.js';", 1, "Neither a default"),
        ("import * as x from './x.js';", 1, "nor all of a module"),
        ("\nimport './x.js';", 2, "nor a module without names"),
        ("import x, { a } from './x.js';", 1, "Neither a default"),
        ("import { default as x } from './x.js';", 1, "no module has a default export"),
        ("import { a as default_, 'b' as b } from './x.js';", 1, "Names are identifiers"),
        ("import { } from './x.js';", 1, "The braces are empty"),
        ("import { a b } from './x.js';", 1, "separated by commas"),
        ("import { a } from './x.js'", 1, "ends with a semicolon"),
        ("import { a } from './x.js' with { type: 'json' };", 1, "ends with a semicolon"),
        ("import { a } of './x.js';", 1, "expected import { a, b as c } from './x.js';"),
        ("import { a } from './x.js'; f();", 1, "lines of its own"),
        ("import { a } from 'x';", 1, "'x' is no relative path"),
        ("import { a } from '/x.js';", 1, "no relative path"),
        ("import { a } from 'https://example.org/x.js';", 1, "no relative path"),
        ("import { a } from './y.js';", 1, "there is no y.js"),
        ("import { a } from '../x.js';", 1, "there is no ../x.js"),
        ("import {\n  a,\n  c,\n} from './x.js';", 3, "x.js exports no 'c'"),
        ("import { a, a } from './x.js';", 1, "'a' is imported twice"),
        ("f();\nimport { a } from './x.js';", 2, "behind other code"),
        ("const x = await f();", 1, "await stands outside a function"),
        ("if (a) {\n  await f();\n}", 2, "await stands outside a function"),
        ("const f = () => 1;\nawait f();", 2, "await stands outside a function"),
        ("const f = async () => 1\nawait f()", 2, "await stands outside a function"),
        ("for await (const x of f()) {}", 1, "await stands outside a function"),
        ("[async () => 1, await f()];", 1, "await stands outside a function"),
        ("const f = async () => { const x = await import('./x.js'); };", 1, "import( is unknown"),
        ("f(import.meta.url);", 1, "import. is unknown"),
        ("export default 1;", 1, "Give it a name"),
        ("export default function f() {}", 1, "Give it a name"),
        ("const a = 1;\nexport { a };", 2, "Export where the name is declared"),
        ("export * from './x.js';", 1, "expected export function"),
        ("export var a = 1;", 1, "Write let"),
        ("export function* f() {}", 1, "No generator and no pattern"),
        ("export const { a } = b;", 1, "No generator and no pattern"),
        ("export const [a] = b;", 1, "No generator and no pattern"),
        ("export const a = 1, b = 2;", 1, "declares one name"),
        ("export let a, b;", 1, "declares one name"),
        ("export const a = 1", 1, "has no semicolon"),
        ("export const a = 1\nexport const b = 2;", 1, "has no semicolon"),
        ("export const a = 1;\nexport function a() {}", 2, "'a' is exported twice"),
        ("{ export const a = 1; }", 1, "stands inside braces"),
        ("const a = '</script>';", 1, "would end the page's script"),
        ("// <!--", 1, "would end the page's script"),
        ("f(`a\n${b}", 2, "a template literal does not end"),
        ("const a = 'b\n';", 1, "a string does not end"),
        ("/* a", 1, "a comment does not end"),
        ("f(a[0);", 1, "')' closes nothing"),
        ("f(() => {\n", 1, "'{' is not closed"),
        ("a = /b\n/", 1, "a regular expression does not end"),
    ],
)
def test_outside_the_grammar(text: str, line: int, says: str):
    found, sentence = fault(text, x=X)
    assert says in sentence
    assert found == line


def test_an_unknown_entry():
    with pytest.raises(LinkError, match=r"^main\.js:1: there is no main\.js; choose from x\.js\.$"):
        link("main.js", {"x.js": X})


def test_a_fault_in_an_imported_module_names_it():
    with pytest.raises(LinkError, match=r"^screens/x\.js:2: expected"):
        link(
            "main.js",
            {"main.js": "import { a } from './screens/x.js';", "screens/x.js": "\nexport default 1;"},
        )


def test_cycles():
    line, sentence = fault(
        "import { a } from './x.js';\nexport const m = 1;",
        x="import { b } from './y.js';\nexport const a = 1;",
        y="\nimport { m } from './main.js';\nexport const b = 1;",
    )
    assert line == 2 and "main.js -> x.js -> y.js -> main.js are a cycle" in sentence
    assert "main.js -> main.js are a cycle" in fault("import { m } from './main.js';\nexport const m = 1;")[1]


@pytest.mark.parametrize(
    "body",
    [
        "const n = 1;",
        "let m = 2, n = 1;",
        "function n() {}",
        "function f(m, n) {}",
        "const f = (m, n) => m;",
        "const f = n => n;",
        "const f = ({ m: [n] }) => m;",
        "const { m, n } = f();",
        "for (const [m, n] of f()) {}",
        "try { f(); } catch (n) {}",
        "class A { n = 1; }",
        "const a = { n() { return 1; } };",
    ],
)
def test_a_live_name_must_not_be_declared_again(body: str):
    line, sentence = fault(f"import {{ n }} from './x.js';\n{body}", x="export let n = 0;")
    assert line == 2 and "'n' is imported and may change" in sentence


@pytest.mark.parametrize("body", ["n = 1;", "n += 1;", "n++;", "--n;", "n ??= 1;"])
def test_a_live_name_must_not_be_assigned(body: str):
    assert (
        "only x.js, which declares it"
        in fault(f"import {{ n }} from './x.js';\n{body}", x="export let n = 0;")[1]
    )


LOOKALIKES = r"""
// import x from './nowhere.js';  export default 1;  await f();
/* export { a };
   import('./nowhere.js'); */
const single = 'export default \' await import("x")', double = "import y from './y.js'\
 export *";
const template = `import z from './z.js'; ${[`export default ${{ a: 'await' }.a}`]} export const q = '`;
const pattern = /[/'"`]export default `/g.exec('x'), after = 4 / 2 / 1;
if (after) /`/.test('a');
const object = { import: 1, export: 2, await: 3, default: 4, class: {}, case: 5 };
const sum = object.import + object.export + object?.await + object.default / 2 / 1;
let count = 0;
const half = count++ / 2, quotient = (1 + 1) / 2, element = [4][0] / 2, braces = { a: 1 } / 2;
switch (after) { case 2: { count = 5; } /export default 1/.test('y'); break; default: {} }
const arrow = async (f) => [await f(), await f()], nested = { async m() { for await (const x of []) await x; } };
const fraction = .5 / 1_0.0e-1 / 0x1f;
const found = [single, double, template, after, sum, half, quotient, element, braces, fraction];
export function described() { return found; }
export class Box { static made = 0; #inside = 1; get inside() { return this.#inside; } }
export const regex = /export \/ [\]/]/.source;
"""


def test_what_looks_like_an_import_is_none():
    script = link("main.js", {"main.js": LOOKALIKES})
    body = LOOKALIKES.replace("\nexport ", "\n").strip("\n")
    assert body in script
    assert script.count("get ") == 4 and "get described() { return described; }" in script


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a / b / c", "npnpn"),
        ("a = /b/ / c", "npxpn"),
        ("(a) / b", "pnppn"),
        ("if (a) /b/", "npnpx"),
        ("while (a) /b/g.test(c)", "npnpxpnpnp"),
        ("for await (a of b) /c/", "nnpnnnpx"),
        ("x.if (a) / b", "npnpnppn"),
        ("return /a/", "nx"),
        ("x.return / a", "npnpn"),
        ("a++ / b", "nppn"),
        ("a = {} / b", "nppppn"),
        ("{} /a/", "ppx"),
        ("`a${b}c` / d", "tntpn"),
        ("`${`${a}`}`", "ttntt"),
        ("a?.5:b", "npmpn"),
        ("a?.b", "npn"),
        ("#a in b", "nnn"),
        ("1.5.toFixed()", "mpnpp"),
        ("'\\'' + \"\\\"\"", "sps"),
    ],
)
def test_tokens(text: str, kinds: str):
    letters = {"name": "n", "number": "m", "string": "s", "template": "t", "regex": "x", "punctuator": "p"}
    tokens = tokenize(text)
    assert "".join(letters[token.kind] for token in tokens) == kinds
    assert all(text[token.start : token.end] == token.text for token in tokens)
    assert "".join("".join(token.text for token in tokens).split()) == "".join(text.split())


def test_a_token_that_does_not_end_has_its_line():
    with pytest.raises(TokenError, match="a template literal does not end") as caught:
        tokenize("a;\n\nf(`b${c}")
    assert caught.value.line == 3


# --- the script


def test_a_linked_script_reads_as_its_modules_do():
    sources = {
        "main.js": "// Begins.\nimport { a, b as c } from './x.js';\n\nexport const d = a + c;\n",
        "x.js": "export const a = 1;\nexport let b = 2;\n",
        "unused.js": "export default 1;\n",
    }
    assert link("main.js", sources) == (
        "(function () {\n'use strict';\n"
        "const $1_x = (() => { // x.js\nconst a = 1;\nlet b = 2;\n"
        "return {get a() { return a; }, get b() { return b; }};\n})();\n"
        "const $2_main = (() => { // main.js\n// Begins.\nconst {a} = $1_x;\n\nconst d = a + $1_x.b;\n"
        "return {get d() { return d; }};\n})();\n"
        "})();\n"
    )


def test_a_constant_is_copied_whatever_has_its_name():
    sources = {
        "main.js": "import { a, f, g } from './x.js';\nconst h = (a) => f(a, g);\n",
        "x.js": "export const a = 1;\nexport function f() { let a; a = 2; return a; }\n"
        "export function g() { g = f; }\n",
    }
    script = link("main.js", sources)
    assert "const {a, f} = $1_x;" in script and "const h = (a) => f(a, $1_x.g);" in script


def test_a_widget_ends_in_its_default_export():
    sources = {"widget.js": "export function initialize() {}\nexport function render() {}\n"}
    script = link("widget.js", sources, default=("initialize", "render"))
    last = "export default {initialize: $1_widget.initialize, render: $1_widget.render};"
    assert script.splitlines()[-1] == last and script.count("export ") == 1
    with pytest.raises(LinkError, match=r"^widget\.js:1: it exports no 'stop'"):
        link("widget.js", sources, default=("stop",))


def test_the_order_of_the_sources_does_not_matter():
    sources = {f"{k}.js": f"export const a{k} = {k};\n" for k in range(5)}
    imports = "".join(f"import {{ a{k} }} from './{k}.js';\n" for k in (3, 0, 4, 1, 2))
    sources["main.js"] = f"{imports}f(a0, a1, a2, a3, a4);\n"
    backward = dict(reversed(sources.items()))
    assert link("main.js", sources) == link("main.js", backward)
    found = re.findall(r"^const \$\d_(\d) =", link("main.js", sources), re.MULTILINE)
    assert found == ["3", "0", "4", "1", "2"]  # as the imports stand


def test_the_linker_s_names_are_nobody_else_s():
    sources = {"main.js": "import { a } from './x.js';\nconst $1_x = a, $$2 = 1;\n", "x.js": X}
    assert "const {a} = $$$1_x;" in link("main.js", sources)


# --- in a browser

MODULES = {
    "main.js": """
        import { log } from './log.js';
        import { count, next, twice as double, Point, later, callback, setCallback } from './parts/counter.js';
        import { seen, patched } from './parts/second.js';

        const isWhite = (text) => /^\\s+$/.test(text);
        log('main', count, seen());
        next();
        log('live', count, `${count}`, { count }.count, [count, count + 1], typeof count, -count / 2, seen());
        for (let i = 0; i < 3; i++) next();
        const reads = () => count;
        log('later', reads(), count === seen() ? count : -1, double(count));
        setCallback(function () { return this === undefined; });
        log('this', callback())
        callback``
        const plain = function () { return this === undefined; }
        setCallback(plain)
        let last = plain
        callback()
        log('lines', last === plain, callback?.(), callback?.call(3), new callback() instanceof callback);
        setCallback((...values) => values.length);
        log('spread', callback(...[1, 2, 3]), isWhite(' '));
        const { count: renamed, ...others } = { count: 5, a: 1, [`count${count}`]: 2 };
        log('keys', renamed, JSON.stringify(others), new Point(1, 2).sum);
        log('patched', patched());
        switch (count) { case count: log('case', count); }
        log('strict', (function () { return this === undefined; })(), typeof $1_log, typeof count1);
        later().then((value) => { log('promise', value, count); globalThis.finished = true; });
        """,
    "log.js": """
        export const results = [];
        export function log(...values) { results.push(values); globalThis.results = results; }
        log('log.js');
        """,
    "parts/counter.js": """
        import {
          log,
        } from '../log.js';
        log('counter.js');
        export let count = 0;
        export let callback = null;
        export function setCallback(f) { callback = f; }
        export function next() { count += 1; return count; }
        export const twice = (n) => { const count = n; return 2 * count; };
        export class Point { #x; constructor(x, y) { this.#x = x; this.y = y; } get sum() { return this.#x + this.y; } }
        export async function later() { await null; next(); return count; }
        """,
    "parts/second.js": """
        import { count as n } from './counter.js';
        import { log } from '../log.js';
        log('second.js', n);
        export function seen() { return n; }
        export function patched() { patched = () => 'again'; return 'first'; }
        """,
}


def run(page: Any, sources: dict[str, str], body: str, until: str = "globalThis.finished") -> Any:
    """What the modules log, when a page has `body`. The page is made up: no server is behind it."""
    page.unroute_all()

    def serve(route: Any) -> None:
        path = route.request.url.partition("127.0.0.1/")[2]
        if path in sources:
            route.fulfill(body=sources[path], content_type="text/javascript; charset=utf-8")
        else:
            route.fulfill(
                body=f"<!doctype html><link rel=icon href=data:,>{body}",
                content_type="text/html; charset=utf-8",
            )

    page.route("http://127.0.0.1/**", serve)
    page.goto("http://127.0.0.1/")
    page.wait_for_function(until)
    return page.evaluate("results")


@pytest.mark.browser
def test_linked_modules_do_what_they_do_unlinked(browser_page):
    unlinked = run(browser_page, MODULES, '<script type="module" src="main.js"></script>')
    assert [row[0] for row in unlinked[:4]] == ["log.js", "counter.js", "second.js", "main"]
    assert unlinked[4] == ["live", 1, "1", 1, [1, 2], "number", -0.5, 1]
    script = link("main.js", MODULES)
    assert run(browser_page, {}, f"<script>{script}</script>") == unlinked
    assert run(browser_page, {}, f'<script type="module">{script}</script>') == unlinked
    assert (
        browser_page.evaluate("Object.keys(window).filter((name) => name.includes('$') || name === 'log')")
        == []
    )


@pytest.mark.browser
def test_a_widget_is_one_module(browser_page):
    """As anywidget loads it: from a Blob, without a path."""
    sources = {
        "widget.js": """
            import { log } from './log.js';
            import { count, next } from './parts/counter.js';
            export function initialize() { next(); }
            export function render({ el }) { log('render', el, count); return () => log('stop'); }
            """,
        "log.js": MODULES["log.js"],
        "parts/counter.js": MODULES["parts/counter.js"],
    }
    script = json.dumps(link("widget.js", sources, default=("initialize", "render")))
    load = f"""<script type="module">
        const url = URL.createObjectURL(new Blob([{script}], {{ type: 'text/javascript' }}));
        const widget = (await import(url)).default;
        widget.initialize();
        widget.render({{ el: 'here' }})();
        globalThis.finished = Object.keys(widget);
        </script>"""
    expected = [["log.js"], ["counter.js"], ["render", "here", 1], ["stop"]]
    assert run(browser_page, {}, load) == expected
    assert browser_page.evaluate("finished") == ["initialize", "render"]


@pytest.mark.browser
def test_what_looks_like_an_import_runs(browser_page):
    sources = {
        "main.js": "import { described, Box, regex } from './look.js';\n"
        "globalThis.results = [described(), new Box().inside, regex];\n",
        "look.js": LOOKALIKES,
    }
    unlinked = run(
        browser_page, sources, '<script type="module" src="main.js"></script>', "globalThis.results"
    )
    assert unlinked[0][3:5] == [2, 8] and unlinked[1] == 1
    assert (
        run(browser_page, {}, f"<script>{link('main.js', sources)}</script>", "globalThis.results")
        == unlinked
    )


def random_modules(seed: int) -> dict[str, str]:
    """Modules that import each other's names at random, log what they see, and change what they export."""
    import random

    draw = random.Random(seed)
    sources = {"log.js": MODULES["log.js"]}
    count = draw.randint(2, 8)
    for k in range(count):
        imports, seen = ["import { log } from './log.js';"], []
        for other in draw.sample(range(k), draw.randint(0, k)):
            names = draw.sample(["n", "bump", "fixed", "Box"], draw.randint(1, 4))
            imports.append(
                f"import {{ {', '.join(f'{name} as {name}{other}' for name in names)} }} from './m{other}.js';"
            )
            seen += [f"{name}{other}" for name in names]
        values = [name for name in seen if name[0] in "nf"]
        calls = [f"{name}(), {', '.join(values) or 0}" for name in seen if name.startswith("bump")]
        boxes = [f"new {name}().get()" for name in seen if name.startswith("Box")]
        sources[f"m{k}.js"] = "\n".join(
            [
                *imports,
                f"export let n = {draw.randint(0, 9)};",
                "export function bump() { n += 1; return n; }",
                f"export const fixed = [{', '.join(values)}].length + n;",
                "export class Box { get() { return n; } }",
                f"log('m{k}', {', '.join([*values, *calls, *boxes]) or 'n'});",
            ]
        )
    names = [
        f"import {{ n as n{k}, bump as bump{k} }} from './m{k}.js';" for k in draw.sample(range(count), count)
    ]
    body = "".join(f"bump{k}(); log({', '.join(f'n{j}' for j in range(count))});\n" for k in range(count))
    sources["main.js"] = "\n".join(
        ["import { log } from './log.js';", *names, body, "globalThis.finished = true;"]
    )
    return sources


@pytest.mark.browser
def test_random_modules_do_what_they_do_unlinked(browser_page):
    for seed in range(12):
        sources = random_modules(seed)
        unlinked = run(browser_page, sources, '<script type="module" src="main.js"></script>')
        linked = run(browser_page, {}, f"<script>{link('main.js', sources)}</script>")
        assert len(unlinked) > 4 and linked == unlinked, f"seed {seed}"


# --- the studio's own modules

OWN = modules()
read_once = functools.cache(linker.read)


@pytest.fixture
def each_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One module is part of many: what `read` makes of a text is kept, which saves nine tenths of the time."""
    monkeypatch.setattr(linker, "read", read_once)


@pytest.mark.usefixtures("each_is_read_once")
@pytest.mark.parametrize("path", sorted(OWN))
def test_every_module_of_the_studio_can_be_linked(path: str):
    link(path, OWN)


@pytest.mark.browser
@pytest.mark.usefixtures("each_is_read_once")
def test_every_linked_module_of_the_studio_is_a_script(browser_page):
    """Compiled, not run: most of them want a page to work on."""
    browser_page.goto("about:blank")
    for path in OWN:
        browser_page.evaluate("(text) => { new Function(text); }", link(path, OWN))
