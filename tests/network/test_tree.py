"""The functions that visit links, those inside blocks too."""

from __future__ import annotations

import ast
from pathlib import Path

import chainrule as c
from chainrule.network import tree
from sources import tree_of

NETWORK = c.Network(
    4,
    [
        c.Dense(4),
        c.Residual([c.BatchNorm(), c.ReLU(), c.Skip([c.Dense(2), c.Tanh()]), c.Dense(5)]),
        c.Dense(3),
    ],
    c.SoftmaxCrossEntropy(),
)
LINKS = NETWORK.links
ORDER = [
    *("dense_1", "residual_1", "batch_norm_1", "relu_1", "skip_1", "dense_2", "tanh_1", "dense_3"),
    *("projection_1", "dense_4"),
]


def names(links):
    return [link.name for link in links]


def test_walk_visits_a_block_before_its_inner_links():
    assert names(tree.walk(LINKS)) == names(place.link for place in tree.places(LINKS)) == ORDER


def test_places_visits_a_block_after_its_inner_links_when_asked():
    order = [*ORDER]
    for block, last in (("skip_1", "tanh_1"), ("residual_1", "projection_1")):
        order.remove(block)
        order.insert(order.index(last) + 1, block)
    assert names(place.link for place in tree.places(LINKS, inner_first=True)) == order


def test_a_place_knows_where_it_stands():
    found = {place.link.name: place for place in tree.places(LINKS)}
    sources = {name: place.source and place.source.name for name, place in found.items()}
    assert sources == {
        "dense_1": None,
        "residual_1": "dense_1",
        "batch_norm_1": "dense_1",
        "relu_1": "batch_norm_1",
        "skip_1": "relu_1",
        "dense_2": "relu_1",
        "tanh_1": "dense_2",
        "dense_3": "skip_1",
        "projection_1": "dense_1",
        "dense_4": "residual_1",
    }
    assert [found[name].depth for name in ORDER] == [0, 0, 1, 1, 1, 2, 2, 1, 1, 0]
    firsts = [name for name in ORDER if found[name].is_first]
    assert firsts == ["dense_1", "batch_norm_1", "dense_2", "projection_1"]


def test_places_brings_the_entries_of_trees():
    numbers = tree.build(LINKS, lambda link: link.number)
    assert numbers == (0, ((2, 3, ((5, 6), ()), 7), (8,)), 9)
    for place in tree.places(LINKS, numbers, numbers):
        if not place.link.branches:
            assert place.parts == (place.link.number, place.link.number)


def test_chains_are_the_whole_one_and_those_in_blocks():
    found = [names(chain) for chain in tree.chains(LINKS)]
    assert found == [
        ["dense_1", "residual_1", "dense_4"],
        ["batch_norm_1", "relu_1", "skip_1", "dense_3"],
        ["projection_1"],
        ["dense_2", "tanh_1"],
        [],
    ]


def test_fold_joins_the_ends_of_a_block():
    def step(link, value, ends):
        return "(" + " | ".join(ends) + ")" if ends else f"{value} {link.layer.kind}"

    made = tree.fold(LINKS, "x", step)
    inner = "x dense batch_norm relu"
    assert made == f"(({inner} dense tanh | {inner}) dense | x dense projection) dense"
    kept = tree.fold(LINKS, "x", step, enters=lambda link: link.layer.kind != "residual")
    assert kept == "x dense residual dense"


def test_replace_keeps_all_but_the_layers():
    made = tree.replace(LINKS, lambda link: c.Identity())
    assert names(tree.walk(made)) == ORDER
    assert {link.layer for link in tree.walk(made)} == {c.Identity()}


def test_activations_after():
    assert tree.activations_after(LINKS) == {"batch_norm_1": "relu_1", "dense_2": "tanh_1"}


def recursions(path: Path) -> set[str]:
    """The functions of a file that look into `.branches` and call themselves."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            inside = list(ast.walk(node))
            looks = any(isinstance(part, ast.Attribute) and part.attr == "branches" for part in inside)
            calls = {
                part.func.id
                for part in inside
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)
            }
            found |= {node.name} if looks and node.name in calls else set()
    return found


def test_nothing_else_descends_into_blocks():
    """But for the function that makes the links."""
    package = Path(c.__file__).parent
    found = {
        path.relative_to(package).as_posix(): names
        for path in package.rglob("*.py")
        if ".branches" in path.read_text("utf-8") and (names := recursions(path))
    }
    made = found.pop("network/tree.py")
    assert found == {"network/network.py": {"_build"}}
    assert {"walk", "build", "replace", "fold"} <= made
