"""The description of a server in OpenAPI 3.1, with the columns, levels and labels of its model."""

from __future__ import annotations

from typing import Any

from chainrule.core.version import __version__
from chainrule.serve import inference
from chainrule.serve.answering import ServedModel
from chainrule.serve.bodies import ARROW, CSV, JSON, Limits
from chainrule.serve.schema import Schema, ServedColumn

_SAYS: dict[str, str] = {
    "number": "A number; also its text.",
    "boolean": "true or false, or what says so.",
    "category": "A category; one that is not among the examples counts as rare, or as missing.",
    "date": "A date, or a date with its time of the day, as in training.",
    "duration": "Seconds.",
}
_TRUTHS = (0, 1, "0", "1", "true", "false", "yes", "no")
ERRORS = {
    "400": "The body is not what its type says.",
    "401": "The token is missing.",
    "403": "The server does not answer under this name.",
    "404": "There is no such path.",
    "405": "The path has other methods.",
    "406": "No answer has a type that is accepted.",
    "408": "The body came too slowly.",
    "413": "The body, or the number of rows, is too large.",
    "415": "The body has another type, or is packed.",
    "422": "The model cannot take these rows.",
    "500": "The server failed.",
    "503": "Too much waits, or the server ends.",
}


def document(model: ServedModel, limits: Limits, *, has_token: bool) -> dict[str, Any]:
    """Return the description. has_token: whether requests need one."""
    schema = model.schema
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model.name}, served by Chainrule",
            "version": model.digest,
            "summary": f"{schema.task} from {len(schema.columns)} columns",
            "x-chainrule-version": __version__,
        },
        "paths": {
            "/predict": {"post": _predict(model, limits)},
            "/health": {"get": _get("Whether the server is live and ready.", _HEALTH, {"503": _HEALTH})},
            "/schema": {"get": _get("What the model takes and gives.", {"type": "object"})},
            "/metrics": {"get": _text("Figures for Prometheus.")},
            "/openapi.json": {"get": _get("This description.", {"type": "object"})},
            "/v2": {"get": _get("The server, by the Open Inference Protocol.", {"type": "object"})},
            "/v2/health/live": {"get": _get("Whether the server is live.", {"type": "object"})},
            "/v2/health/ready": {
                "get": _get("Whether the server is ready.", {"type": "object"}, {"503": {"type": "object"}})
            },
            f"/v2/models/{model.name}": {"get": _get("Inputs and outputs of the model.", {"type": "object"})},
            f"/v2/models/{model.name}/ready": {
                "get": _get("Whether the model is ready.", {"type": "object"}, {"503": {"type": "object"}})
            },
            f"/v2/models/{model.name}/infer": {"post": _infer(model)},
        },
        "components": {"schemas": {"Row": row(schema), "Answer": answer(schema), "Error": _ERROR}},
    }
    if has_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_HEALTH = {
    "type": "object",
    "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}},
    "required": ["live", "ready"],
}


def column(of: ServedColumn) -> dict[str, Any]:
    """Return the schema of a cell."""
    if not of.can_be_missing:
        return {"type": ["number", "boolean"], "examples": [of.example]}
    found = {**_form(of), "description": _SAYS[of.kind], "examples": [of.example]}
    if of.kind == "category":
        found["examples"] = list(dict.fromkeys([of.example, *of.levels[:20]]))
    return found


def _form(of: ServedColumn) -> dict[str, Any]:
    """Return the schema of the values of a kind of column."""
    if of.kind == "number":
        sign = "," if of.reads == "," else "[.]"
        return {"type": ["number", "string", "boolean", "null"], "pattern": f"^[+-]?[0-9]+({sign}[0-9]+)?$"}
    if of.kind == "boolean":
        return {"anyOf": [{"type": ["boolean", "null"]}, {"enum": list(_TRUTHS)}]}
    if of.kind == "date":
        is_iso = of.reads in ("", "iso")
        forms = (
            [{"type": "string", "format": each} for each in ("date", "date-time")]
            if is_iso
            else [{"type": "string"}]
        )
        return {"anyOf": [{"type": "null"}, *forms]}
    return {"type": ["number", "null"] if of.kind == "duration" else ["string", "number", "boolean", "null"]}


def row(schema: Schema) -> dict[str, Any]:
    """Return the schema of a row: an object by names if the columns have some, or a list in their order."""
    cells = [column(each) for each in schema.columns]
    count = len(cells)
    listed = {"type": "array", "prefixItems": cells, "items": False, "minItems": count, "maxItems": count}
    if not schema.is_named:
        return {**listed, "examples": [schema.example()]}
    named = {
        "type": "object",
        "properties": dict(zip(schema.names, cells, strict=True)),
        "required": schema.names,
        "examples": [schema.example()],
    }
    return {"oneOf": [named, listed]}


def answer(schema: Schema) -> dict[str, Any]:
    """Return the schema of the answer to a row."""
    number = {"type": ["number", "null"]}
    is_list = schema.task == "multilabel" or (schema.task == "regression" and schema.outputs > 1)
    label = {"enum": list(schema.labels)} if schema.labels and not is_list else number
    found: dict[str, Any] = {"predicted": {"type": "array", "items": number} if is_list else label}
    by_label = {"type": "object", "properties": dict.fromkeys(schema.label_names, number)}
    if schema.labels:
        found["probabilities"] = by_label
    if schema.can_spread:
        found["spread"] = by_label if schema.labels else found["predicted"]
    if schema.can_cover:
        name = "set" if schema.labels else "interval"
        found[name] = (
            {"type": "array", "items": {"enum": schema.label_names}} if schema.labels else {"type": "array"}
        )
    required = ["predicted", *(["probabilities"] if schema.labels else [])]
    return {"type": "object", "properties": found, "required": required}


def _errors(*statuses: str) -> dict[str, Any]:
    return {
        status: {
            "description": ERRORS[status],
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status in statuses
    }


def _predict(model: ServedModel, limits: Limits) -> dict[str, Any]:
    schema = model.schema
    one, many = ({"$ref": f"#/components/schemas/{name}"} for name in ("Row", "Answer"))
    rows, answers = (
        {"oneOf": [each, {"type": "array", "items": each, "minItems": 1, "maxItems": limits.rows}]}
        for each in (one, many)
    )
    binary = {CSV: {"schema": {"type": "string"}}, ARROW: {"schema": {"type": "string"}}}
    parameters = []
    if schema.can_cover:
        share = {"type": "number", "minimum": 0.0001, "maximum": 0.9999}
        said = "The share of rows whose truth lies in their intervals, or sets of labels."
        parameters.append({"name": "interval", "in": "query", "schema": share, "description": said})
    if schema.can_spread:
        said = "Whether the standard deviation of the members' predictions is answered too."
        parameters.append(
            {"name": "spread", "in": "query", "schema": {"enum": ["true", "false"]}, "description": said}
        )
    return {
        "summary": "Predict one row, or several.",
        "operationId": "predict",
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": rows, "examples": {"row": {"value": schema.example()}}}, **binary},
        },
        "responses": {
            "200": {
                "description": "The answers, in the order of the rows.",
                "content": {JSON: {"schema": answers}, **binary},
            },
            **_errors("400", "401", "403", "406", "408", "413", "415", "422", "500", "503"),
        },
    }


def _infer(model: ServedModel) -> dict[str, Any]:
    described = inference.metadata(model)
    tensors = [_tensor(each) for each in described["inputs"]]
    count = len(tensors)
    body = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {
                "type": "array",
                "prefixItems": tensors,
                "items": False,
                "minItems": count,
                "maxItems": count,
            },
        },
        "required": ["inputs"],
    }
    return {
        "summary": "Predict by the Open Inference Protocol.",
        "operationId": "infer",
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
        "responses": {
            "200": {"description": "The outputs.", "content": {JSON: {"schema": {"type": "object"}}}},
            **_errors("400", "401", "403", "408", "413", "415", "422", "500", "503"),
        },
    }


def _tensor(described: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an input, whose data must have as many values as its shape says."""
    return {
        "type": "object",
        "properties": {
            "name": {"const": described["name"]},
            "shape": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 1,
                "maxItems": 2,
            },
            "datatype": {"enum": list(inference.DATATYPES)},
            "data": {"type": "array", "minItems": 1},
        },
        "required": ["name", "shape", "datatype", "data"],
    }


def _get(
    summary: str, schema: dict[str, Any], others: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    def content(each: dict[str, Any]) -> dict[str, Any]:
        return {"description": summary, "content": {JSON: {"schema": each}}}

    return {
        "summary": summary,
        "responses": {
            "200": content(schema),
            **{status: content(each) for status, each in (others or {}).items()},
            **_errors("401", "403"),
        },
    }


def _text(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {"text/plain": {"schema": {"type": "string"}}}},
            **_errors("401", "403"),
        },
    }
