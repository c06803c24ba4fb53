"""The OpenAPI document tells the envelope as it is read: the same names, and the same ones needed, at every depth."""

from importlib.resources import files

import pytest
import yaml
from pydantic import BaseModel

from gateway.pipeline import envelope, envelope_letter

SCHEMAS = yaml.safe_load((files("gateway.http") / "openapi" / "case_system.yaml").read_text("utf-8"))["components"][
    "schemas"
]


def shape(schema):
    """The object that a schema tells, however it is wrapped; None for what is no object."""
    if "$ref" in schema:
        return shape(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "properties" in schema:
        return schema
    inner = [
        shape(each)
        for each in (
            *schema.get("oneOf", []),
            *schema.get("allOf", []),
            *[schema.get("items", {})] * ("items" in schema),
        )
    ]
    return next((each for each in inner if each is not None), None)


def models(annotation):
    """The models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in getattr(annotation, "__args__", ()) for one in models(part)]


def differences(model, schema, place):
    fields = {field.alias: field for field in model.model_fields.values()}
    needed = {alias for alias, field in fields.items() if field.is_required()}
    found = [(place, name) for name in fields.keys() ^ schema["properties"].keys()]
    found += [(place, f"required {name}") for name in needed ^ set(schema.get("required", []))]
    if schema.get("additionalProperties") is not False:
        found.append((place, "open"))
    for alias, field in fields.items():
        inner = models(field.annotation)
        if len(inner) == 1 and alias in schema["properties"] and alias != "avsender":
            below = shape(schema["properties"][alias])
            assert below is not None, f"{place}.{alias} is told as no object"
            found += differences(inner[0], below, f"{place}.{alias}")
    return found


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (envelope.Melding, "Melding"),
        (envelope.Aktor, "Aktor"),
        (envelope_letter.Person, "Person"),
        (envelope_letter.Brev, "Brev"),
    ],
)
def test_the_envelope_is_told_as_it_is_read(model, name):
    assert differences(model, SCHEMAS[name], name) == []


def test_control_a_field_that_is_told_and_not_read_is_found():
    told = SCHEMAS["Brev"] | {"properties": SCHEMAS["Brev"]["properties"] | {"hastverk": {"type": "boolean"}}}
    assert differences(envelope_letter.Brev, told, "Brev") == [("Brev", "hastverk")]
