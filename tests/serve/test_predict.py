"""Predictions over HTTP are those of the estimator itself, in every form in which rows come and answers go."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import ConfigError, Ensemble, MLPClassifier, MLPRegressor, Model, load
from chainrule.serve.answering import load as load_served
from chainrule.serve.bodies import Limits, TooMuchError
from chainrule.serve.large import Form, read
from served_models import JSON, Served, columns, row, sentence

TOLERANCE = {"rtol": 2e-6, "atol": 1e-6}
"""Of float32: the estimator predicts a few rows by NumPy, the server all of them by the native engine."""

ARRAY = np.random.default_rng(0).normal(size=(12, 3))


def test_one_row_and_several(served: dict[str, Served], models: dict[str, Any]):
    estimator = MLPClassifier.load(models["labels"])
    rows = [row(i) for i in range(5)]
    one, many = served["labels"].predict(rows[0]), served["labels"].predict(rows)
    assert isinstance(one, dict) and one == many[0] and len(many) == 5
    assert [each["predicted"] for each in many] == estimator.predict(rows).tolist()
    shares = [[each["probabilities"][name] for name in ("no", "yes")] for each in many]
    np.testing.assert_allclose(shares, estimator.predict_proba(rows), **TOLERANCE)


def test_rows_in_order(served: dict[str, Served]):
    named = [row(i) for i in range(3)]
    listed = [list(each.values()) for each in named]
    assert served["labels"].predict(listed) == served["labels"].predict(named)
    assert served["labels"].predict(listed[0]) == served["labels"].predict(named[0])


def test_intervals_sets_and_spreads(served: dict[str, Served], models: dict[str, Any]):
    rows = [row(i) for i in range(12)]
    classifier, regressor = MLPClassifier.load(models["labels"]), MLPRegressor.load(models["numbers"])
    sets = [each["set"] for each in served["labels"].predict(rows, "?interval=0.8")]
    expected = [classifier.classes_[is_in].tolist() for is_in in classifier.predict_set(rows, 0.8)]
    assert sets == expected
    ends = [each["interval"] for each in served["numbers"].predict(rows, "?interval=0.8")]
    np.testing.assert_allclose(ends, regressor.predict_interval(rows, 0.8), rtol=1e-5)
    members = MLPClassifier.load(models["members"])
    spreads = served["members"].predict(rows, "?spread=true")
    found = [list(each["spread"].values()) for each in spreads]
    np.testing.assert_allclose(found, members.spread(rows), rtol=1e-4, atol=1e-7)
    assert [each["predicted"] for each in spreads] == members.predict(rows).tolist()


def test_several_outputs(served: dict[str, Served], models: dict[str, Any]):
    rows = [row(i) for i in range(4)]
    found = [each["predicted"] for each in served["two"].predict(rows)]
    np.testing.assert_allclose(found, MLPRegressor.load(models["two"]).predict(rows), rtol=1e-5)


def test_arrays_and_networks(served: dict[str, Served], models: dict[str, Any]):
    X = np.random.default_rng(2).normal(size=(20, 3)).round(3)
    estimator = MLPClassifier.load(models["array"])
    assert [each["predicted"] for each in served["array"].predict(X.tolist())] == estimator.predict(
        X
    ).tolist()
    found = [each["predicted"] for each in served["network"].predict(X.tolist())]
    assert found == load(models["network"]).predict(X).tolist()
    ensemble = Ensemble.load(models["ensemble"])
    answers = served["ensemble"].predict(X.tolist(), "?spread=true")
    np.testing.assert_allclose([each["spread"] for each in answers], ensemble.spread(X), rtol=1e-5)
    assert "names" in served["network"].refused({"a": 1, "b": 2, "c": 3}, 422)
    assert "column 'x2'" in served["network"].refused([1, None, 3], 422)
    assert "3; select" in served["network"].refused([1, 2], 422)


@pytest.mark.parametrize("name", ["labels", "members", "numbers", "network", "ensemble"])
def test_products_of_bfloat16(models: dict[str, Any], served: dict[str, Served], name: str):
    """With the bits of the model's own, and near those of float32."""
    rows: Any = [row(i) for i in range(12)] if name in ("labels", "members", "numbers") else ARRAY.tolist()
    server = Served(models[name], precision="bf16")
    found, many = server.predict(rows), "?spread=true" if name in ("members", "ensemble") else ""
    for given, expected in ((server.predict(rows[3]), found[3]), (served[name].predict(rows), found)):
        np.testing.assert_allclose(figures(given), figures(expected), rtol=0.02, atol=0.01)
    assert figures(served[name].predict(rows)) != figures(found)
    kinds = {"numbers": MLPRegressor, "network": Model, "ensemble": Ensemble}
    own = kinds.get(name, MLPClassifier).load(models[name])
    ask = own.predict if "probabilities" not in found[0] else own.predict_proba
    expected = np.asarray(ask(rows if name not in ("network", "ensemble") else ARRAY, precision="bf16"))
    np.testing.assert_allclose(figures(found), expected.ravel(), rtol=2e-6, atol=1e-6)
    if many:
        apart = own.spread(rows if name == "members" else ARRAY, precision="bf16")
        said = [each["spread"] for each in server.predict(rows, many)]
        of_each = [list(each.values()) if isinstance(each, dict) else each for each in said]
        np.testing.assert_allclose(np.ravel(of_each), np.ravel(apart), rtol=1e-4, atol=1e-7)
    server.service.close()


@pytest.mark.parametrize("name", ["labels", "members", "numbers", "network", "ensemble"])
def test_products_of_integers(models: dict[str, Any], tmp_path: Path, name: str):
    """With the bits of the model's own, where it was quantized before it was saved."""
    rows: Any = [row(i) for i in range(12)] if name in ("labels", "members", "numbers") else ARRAY
    kinds = {"numbers": MLPRegressor, "network": Model, "ensemble": Ensemble}
    own, path = kinds.get(name, MLPClassifier).load(models[name]), tmp_path / "net.safetensors"
    with pytest.raises(ConfigError, match="call quantize"):
        Served(models[name], precision="int8")
    own.quantize(rows).save(path)
    server = Served(path, precision="int8")
    found = server.predict(rows if isinstance(rows, list) else rows.tolist())
    ask = own.predict if "probabilities" not in found[0] else own.predict_proba
    np.testing.assert_allclose(figures(found), np.ravel(ask(rows, precision="int8")), rtol=2e-6, atol=1e-6)
    assert not np.allclose(figures(found), np.ravel(ask(rows)), rtol=1e-5, atol=1e-5)
    server.service.close()


def figures(found: Any) -> list[float]:
    """All probabilities of answers, or their numbers."""
    answers = found if isinstance(found, list) else [found]
    shares = [list(each.get("probabilities", {0: each["predicted"]}).values()) for each in answers]
    return [share for each in shares for share in each]


def test_csv_in_and_out(served: dict[str, Served]):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns()))
    writer.writeheader()
    writer.writerows(row(i) for i in range(6))
    reply = served["labels"].ask(
        "POST", "/predict", [text.getvalue().encode()], [("Content-Type", "text/csv; charset=utf-8")]
    )
    assert (reply.status, reply["content-type"]) == (200, "text/csv")
    found = list(csv.DictReader(io.StringIO(reply.body.decode())))
    expected = served["labels"].predict([row(i) for i in range(6)])
    assert [each["predicted"] for each in found] == [each["predicted"] for each in expected]
    assert [float(each["p(yes)"]) for each in found] == [each["probabilities"]["yes"] for each in expected]
    as_json = served["labels"].ask(
        "POST",
        "/predict",
        [text.getvalue().encode()],
        [("Content-Type", "text/csv"), ("Accept", "application/json")],
    )
    assert json.loads(as_json.body) == expected


def test_arrow_in_and_out(served: dict[str, Served]):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({name: cells[:6] for name, cells in columns().items()})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    kind = "application/vnd.apache.arrow.stream"
    reply = served["labels"].ask("POST", "/predict", [sink.getvalue()], [("Content-Type", kind)])
    assert (reply.status, reply["content-type"]) == (200, kind)
    found = pa.ipc.open_stream(reply.body).read_all()["predicted"].to_pylist()
    assert found == [each["predicted"] for each in served["labels"].predict([row(i) for i in range(6)])]
    damaged = served["labels"].ask("POST", "/predict", [sink.getvalue()[:-200]], [("Content-Type", kind)])
    assert damaged.status == 400 and "damaged" in sentence(damaged)


def test_an_infinite_interval_is_null(served: dict[str, Served]):
    with pytest.warns(UserWarning, match="held-out rows"):
        found = served["numbers"].predict(row(0), "?interval=0.9999")
    assert found["interval"] == [0.0, None]  # no price of the training was negative


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0, */*", "text/csv"),
        ("image/png", None),
        ("application/json;q=x", None),
    ],
)
def test_the_form_that_the_client_prefers(served: dict[str, Served], accept: str | None, kind: str | None):
    headers = [] if accept is None else [("Accept", accept)]
    reply = served["labels"].post("/predict", row(0), *headers)
    assert reply.status == (406 if kind is None else 200)
    assert kind is None or reply["content-type"] == kind


BAD: list[tuple[bytes, int, str]] = [
    (b"", 400, "is empty"),
    (b"{", 400, "is not JSON"),
    (b"{}", 422, "lacks 'size'"),
    (b"[]", 422, "has no rows"),
    (b"3", 422, "must be a row"),
    (b'"text"', 422, "must be a row"),
    (b"null", 422, "must be a row"),
    (b"[[]]", 422, "has 0 values"),
    (b"[1, 2]", 422, "has 2 values"),
    (b"[{}, 3]", 422, "lacks 'size'"),
    (b'{"size": NaN}', 400, "NaN"),
    (b'{"size": -Infinity}', 400, "-Infinity"),
    (b'{"size": 1e999}', 400, "beyond float64"),
    (b'{"size": %s}' % (b"9" * 400), 400, "400 digits"),
    (b'{"size": 1, "size": 2}', 400, "'size' twice"),
    (b"[" * 102_000, 413, "more than 100,000 rows"),
    (b"[" * 100_000, 400, "nested too deep"),
    (b"[" * 900 + b"]" * 900, 422, "values"),
    (b'{"a":' * 50_000, 400, "nested too deep"),
    (b"\xff\xfe", 400, "not UTF-8 at byte 0"),
    (b'{"size": "\xe9"}', 400, "not UTF-8 at byte 10"),
    (b"\xef\xbb\xbf{}", 400, "is not JSON"),
    (b'[1, "Tainan", "2024-01-01", true, {"a": 1}]', 422, "has {'a': 1} in column 'rooms'"),
    (b'["much", "Tainan", "2024-01-01", true, 2]', 422, "'much'"),
    (b'[1, "Tainan", "soon", true, 2]', 422, "'soon'"),
    (b'[1, "Tainan", "2024-01-01", "perhaps", 2]', 422, "'perhaps'"),
]


@pytest.mark.parametrize(("body", "status", "says"), BAD, ids=lambda value: repr(value)[:40])
def test_bad_rows_get_one_sentence(served: dict[str, Served], body: bytes, status: int, says: str):
    limits = served["labels"].service.limits
    assert limits.rows == 100_000
    assert says in served["labels"].refused(body, status)
    assert served["labels"].failures == []


def test_bad_rows_of_csv(served: dict[str, Served]):
    for body, status, says in (
        (b"size,town\n1,x\n", 422, "lacks"),
        (b"size,town\n", 422, "row"),
        (b"\xff\xfe\xff", 400, "UTF-8"),
        (b"a\0b", 400, "byte 1 is 0"),
        (b"", 400, "empty"),
    ):
        reply = served["labels"].ask("POST", "/predict", [body], [("Content-Type", "text/csv")])
        assert reply.status == status and says in sentence(reply), reply.body


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ([("Content-Type", "text/plain")], 415, "Content-Type"),
        ([("Content-Type", "application/x-www-form-urlencoded")], 415, "Content-Type"),
        ([], 415, "Content-Type"),
        ([("Content-Type", "application/json; charset=latin-1")], 415, "UTF-8"),
        ([JSON, ("Content-Encoding", "gzip")], 415, "packed"),
        ([JSON, ("Content-Length", "99999999999")], 413, "bytes"),
    ],
)
def test_bodies_of_other_kinds(served: dict[str, Served], headers: Any, status: int, says: str):
    reply = served["labels"].ask("POST", "/predict", [b"{}"], headers)
    assert reply.status == status and says in sentence(reply)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?interval=2", "between 0 and 1"),
        ("?interval=nan", "between 0 and 1"),
        ("?interval=x", "between 0 and 1"),
        ("?spread=1", "true or false"),
        ("?spread=true", "one network"),
        ("?x=1", "nothing else"),
        ("?" + "&".join(f"x{k}" for k in range(17)), "more than 16 fields"),
    ],
)
def test_queries(served: dict[str, Served], query: str, says: str):
    assert says in served["labels"].refused(row(0), 422, target=f"/predict{query}")


def test_limits(models: dict[str, Any]):
    small = Served(
        models["labels"], limits=Served(models["labels"]).service.limits._replace(body_bytes=2000, rows=3)
    )
    assert "more than 3 rows" in small.refused([row(i) for i in range(4)], 413)
    assert "2,000 bytes" in small.refused(b" " * 2001, 413)
    reply = small.ask("POST", "/predict", [b" " * 500] * 6, [JSON])  # without its length, in pieces
    assert reply.status == 413 and reply["connection"] == "close"
    assert len(small.predict([row(i) for i in range(3)])) == 3


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("text/csv", b"size,town\n" + b"1,x\n" * 4, "more than 3 rows"),
        ("text/csv", b"size,town\r" + b"1,x\r" * 4, "more than 3 rows"),
        ("text/csv", b"a" + b",b" * 8 + b"\n1\n", "more than 7 columns"),
        ("text/csv", b"a" + b";b" * 8 + b"\n1\n", "more than 7 columns"),
        ("application/json", b"[" + b"1," * 8 + b"1]", "more than 7 columns"),
        ("application/json", b"[[" + b"1," * 8 + b"1]]", "more than 7 columns"),
        ("application/json", json.dumps({f"x{k}": 1 for k in range(8)}).encode(), "more than 7 columns"),
        ("application/json", json.dumps({"inputs": [{}] * 8}).encode(), "more than 7 columns"),
        (
            "application/json",
            json.dumps(
                {"inputs": [{"name": "x", "shape": [4], "datatype": "FP64", "data": [1] * 4}]}
            ).encode(),
            "more than 3 rows",
        ),
    ],
)
def test_rows_and_columns_have_limits(models: dict[str, Any], kind: str, body: bytes, says: str):
    """Before the names of the columns are looked at."""
    model = load_served(models["labels"], "labels")
    limits = Limits(rows=3, columns=7)
    form = Form(kind, kind, is_inference=b"inputs" in body)
    with pytest.raises(TooMuchError, match=says):
        read(body, form, model, limits)


def test_one_row_as_a_list_counts_as_one(models: dict[str, Any]):
    model = load_served(models["labels"], "labels")
    cells = json.dumps(list(row(0).values())).encode()
    assert read(cells, Form(JSON[1], JSON[1]), model, Limits(rows=3, columns=5)).rows.length == 1


def test_spreadsheets_do_not_execute_labels(tmp_path):
    y = np.array(["=1+1", "-x"] * 30)
    X = {"a": [float(i % 7) for i in range(60)]}
    MLPClassifier(preprocess="auto", max_iter=2, hidden_layer_sizes=(4,)).fit(X, y).save(
        tmp_path / "f.safetensors"
    )
    reply = Served(tmp_path / "f.safetensors").post("/predict", {"a": 1.0}, ("Accept", "text/csv"))
    assert reply.body.splitlines()[1][:2] in (b"'=", b"'-")
