"""Validators made of the providers' own types, which refuse what those types do not name.

The official packages describe requests for those who write them: they coerce, tell nothing about
unknown fields and do not look into iterables. Here what came over the wire is read by the same
types, but strictly and to the bottom.
"""

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, ValidationError, core_schema

# A union says what is wrong with each of its branches; some are enough.
MOST_FAULTS = 6


class Refusal(Exception):
    """Why a real provider would not take a request."""


def refuse_unless(condition, why):
    if not condition:
        raise Refusal(why)


def known(kind):
    """Reads an enum by its names in either case. Google's makes members of unknown names."""

    def member(name):
        try:
            return kind[str(name).upper()]
        except KeyError:
            raise ValueError(f"{name!r} is no {kind.__name__}") from None

    return core_schema.no_info_plain_validator_function(member)


def closed(schema, open_ones):
    """A core schema whose objects take no unknown field and whose iterables are read."""
    if isinstance(schema, (list, tuple)):
        return type(schema)(closed(item, open_ones) for item in schema)
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value, open_ones) for key, value in schema.items()}
    match schema.get("type"):
        case "typed-dict" if schema.get("extra_behavior") != "allow":
            schema["extra_behavior"] = "forbid"
        case "model":
            inner = schema["schema"]
            while inner["type"] != "model-fields":
                inner = inner["schema"]
            # Some name the type of whatever else they hold.
            if "extras_schema" not in inner:
                inner["extra_behavior"] = "ignore" if schema["cls"] in open_ones else "forbid"
        case "generator":
            schema["type"] = "list"
        case "enum":
            return known(schema["cls"])
    return schema


class Strict:
    """Reads JSON as `kind`. Models in `open_ones` may have fields that they do not name."""

    def __init__(self, kind, open_ones=()):
        # As a list, since Google's models put off to say what they are made of.
        listed = closed(TypeAdapter(list[kind]).core_schema, open_ones)
        # Without the validators that the models have already made of themselves.
        self._validator = SchemaValidator(listed, _use_prebuilt=False)

    def read(self, raw):
        raw = raw.encode() if isinstance(raw, str) else raw
        try:
            return self._validator.validate_json(b"[" + raw + b"]", strict=True)[0]
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False)
            # The branch of a union that came furthest is the one that was meant.
            faults = sorted(faults, key=lambda fault: -len(fault["loc"]))[:MOST_FAULTS]
            raise Refusal(
                "; ".join(f"{place(fault)}: {fault['msg']}" for fault in faults)
            ) from None


def place(fault):
    return ".".join(str(step) for step in fault["loc"][1:])
