"""What a server says of itself: schema, OpenAPI, the Open Inference Protocol, health and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from served_models import Served, columns, row

PARTS = ("labels", "numbers", "members", "two", "array", "network", "ensemble")


def get(served: Served, path: str) -> Any:
    reply = served.ask("GET", path)
    assert reply.status == 200
    return json.loads(reply.body)


def test_the_schema_has_columns_levels_and_labels(served: dict[str, Served]):
    found = get(served["labels"], "/schema")
    assert [(each["name"], each["type"]) for each in found["columns"]] == [
        ("size", "number"),
        ("town", "category"),
        ("seen", "date"),
        ("new", "boolean"),
        ("rooms", "number"),
    ]
    assert found["columns"][1]["levels"] == ["Tainan", "Taipei", "Yilan"]
    assert (found["task"], found["labels"], found["interval"], found["spread"]) == (
        "binary",
        ["no", "yes"],
        True,
        False,
    )
    assert get(served["members"], "/schema")["spread"] is True


@pytest.mark.parametrize("name", PARTS)
def test_the_example_is_answered(served: dict[str, Served], name: str):
    schema = get(served[name], "/schema")
    answer = served[name].predict(schema["example"])
    assert set(answer) == {"predicted"} | ({"probabilities"} if schema["labels"] else set())
    if schema["labels"]:
        assert list(answer["probabilities"]) == [str(label) for label in schema["labels"]]


def resolved(document: Any, schema: Any) -> Any:
    """A schema with its references replaced by what they name."""
    if isinstance(schema, list):
        return [resolved(document, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return resolved(document, found)
    return {key: resolved(document, each) for key, each in schema.items()}


@pytest.mark.parametrize("name", PARTS)
def test_openapi_describes_rows_and_answers(served: dict[str, Served], name: str):
    """By the validator of JSON Schema: rows and answers are valid, and rows that are refused for their form are not."""
    jsonschema = pytest.importorskip("jsonschema")
    document = get(served[name], "/openapi.json")
    assert document["openapi"] == "3.1.0"
    post = resolved(document, document["paths"]["/predict"]["post"])
    rows = jsonschema.Draft202012Validator(post["requestBody"]["content"]["application/json"]["schema"])
    answers = jsonschema.Draft202012Validator(
        post["responses"]["200"]["content"]["application/json"]["schema"]
    )
    example = get(served[name], "/schema")["example"]
    listed = list(example.values()) if isinstance(example, dict) else example
    for body in (example, [example, example], listed, [listed]):
        assert rows.is_valid(body) and answers.is_valid(served[name].predict(body))
    for body in (3, [], {}, [[*listed, 1]], [{"a": [1]}]):
        assert not rows.is_valid(body)
        served[name].refused(body, 422)


def test_openapi_has_the_paths_that_are_answered(served: dict[str, Served]):
    document = get(served["labels"], "/openapi.json")
    for path, methods in document["paths"].items():
        for method in methods:
            reply = served["labels"].ask(method.upper(), path)
            assert reply.status in (200, 415) and str(reply.status) in methods[method]["responses"]
    assert "security" not in document


def infer(served: Served, body: Any, status: int = 200) -> Any:
    name = served.service.name
    if status != 200:
        return served.refused(body, status, target=f"/v2/models/{name}/infer")
    reply = served.post(f"/v2/models/{name}/infer", body)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def tensors(n: int) -> list[dict[str, Any]]:
    types = {"size": "FP64", "town": "BYTES", "seen": "BYTES", "new": "BOOL", "rooms": "INT64"}
    return [
        {"name": name, "datatype": types[name], "shape": [n], "data": cells[:n]}
        for name, cells in columns().items()
    ]


def test_inference_by_columns(served: dict[str, Served]):
    found = infer(served["labels"], {"id": "42", "inputs": tensors(5)})
    expected = served["labels"].predict([row(i) for i in range(5)])
    assert (found["model_name"], found["id"]) == ("labels", "42")
    predicted, shares = found["outputs"]
    assert predicted == {
        "name": "predicted",
        "datatype": "BYTES",
        "shape": [5],
        "data": [each["predicted"] for each in expected],
    }
    flat = [share for each in expected for share in each["probabilities"].values()]
    assert shares == {"name": "probabilities", "datatype": "FP64", "shape": [5, 2], "data": flat}
    nested = [{**each, "shape": [5, 1], "data": [[cell] for cell in each["data"]]} for each in tensors(5)]
    again = infer(served["labels"], {"inputs": nested, "outputs": [{"name": "predicted"}]})
    assert again == {"model_name": "labels", "outputs": [predicted]}
    sets = infer(served["labels"], {"inputs": tensors(2), "parameters": {"interval": 0.8}})
    assert [each["name"] for each in sets["outputs"]] == ["predicted", "probabilities", "set"]


def test_inference_of_arrays(served: dict[str, Served]):
    (described,) = get(served["network"], "/v2/models/network")["inputs"]
    assert described == {"name": "x", "datatype": "FP64", "shape": [-1, 3]}
    X = [[0.5, -1.0, 2.0], [1.0, 0.0, 0.25]]
    expected = [each["predicted"] for each in served["network"].predict(X)]
    for data in (X, [cell for each in X for cell in each]):
        body = {"inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP32", "data": data}]}
        assert infer(served["network"], body)["outputs"][0]["data"] == expected


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"inputs": []}, 400, "list of inputs"),
        ({"inputs": "x"}, 400, "list of inputs"),
        ({"inputs": [3]}, 400, "an input must be"),
        ({"inputs": tensors(2)[:3]}, 422, "lacks"),
        ({"inputs": [*tensors(2), tensors(2)[0]]}, 422, "two inputs"),
        ({"inputs": [{**each, "shape": [3]} for each in tensors(2)]}, 422, "2 values"),
        ({"inputs": [{**each, "shape": [2, 1, 1]} for each in tensors(2)]}, 422, "shape"),
        ({"inputs": [{**each, "shape": [-2]} for each in tensors(2)]}, 422, "shape"),
        ({"inputs": [{**each, "shape": [True]} for each in tensors(2)]}, 422, "shape"),
        ({"inputs": [{**each, "datatype": "TEXT"} for each in tensors(2)]}, 400, "datatype"),
        ({"inputs": [{**each, "data": "ab"} for each in tensors(2)]}, 400, "data"),
        ({"inputs": [{**each, "data": [[[1]], 2]} for each in tensors(2)]}, 422, "cell"),
        ({"inputs": [{**each, "shape": [0], "data": []} for each in tensors(2)]}, 422, "no rows"),
        ({"outputs": [{"name": "x"}]}, 422, "no output 'x'"),
        ({"outputs": 3}, 400, "outputs"),
        ({"parameters": 3}, 400, "parameters"),
        ({"parameters": {"interval": 7}}, 422, "interval"),
        ({"parameters": {"spread": 1}}, 422, "spread"),
        ({"parameters": {"spread": True}}, 422, "one network"),
        ({"id": 3}, 422, "id"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_inference_refused(served: dict[str, Served], change: dict[str, Any], status: int, says: str):
    assert says in infer(served["labels"], {"inputs": tensors(2), **change}, status)


def test_other_models_do_not_exist(served: dict[str, Served]):
    for path in ("/v2/models/x", "/v2/models/x/ready", "/v2/models/labels/versions/1"):
        assert served["labels"].ask("GET", path).status == 404


def test_health(served: dict[str, Served]):
    assert get(served["labels"], "/health") == {"live": True, "ready": True}
    assert (
        get(served["labels"], "/v2/health/live")
        == get(served["labels"], "/v2/health/ready")
        == {"live": True}
    )
    assert get(served["labels"], "/v2/models/labels/ready") == {"name": "labels", "ready": True}
    assert get(served["labels"], "/v2")["name"] == "chainrule"


def test_figures(models: dict[str, Path]):
    """Read by the parser of prometheus_client."""
    from prometheus_client.parser import text_string_to_metric_families

    served = Served(models["labels"])
    served.predict([row(i) for i in range(3)])
    served.refused({}, 422)
    for k in range(20):
        served.ask("GET", f"/of-a-client/{k}")
    reply = served.ask("GET", "/metrics")
    assert reply["content-type"].startswith("text/plain; version=0.0.4")
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }
    requests = {key[1:]: value for key, value in values.items() if key[0] == "chainrule_requests_total"}
    assert requests == {
        (("path", "/predict"), ("status", "200")): 1,
        (("path", "/predict"), ("status", "422")): 1,
        (("path", "other"), ("status", "404")): 20,
    }
    assert values[("chainrule_rows_total",)] == 3 and values[("chainrule_waiting_rows",)] == 0
