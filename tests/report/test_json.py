"""JSON for programs: every document fulfils the schema that the package ships."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import jsonschema
import pytest

from lastput.checks.kinds import KINDS
from lastput.report.json import document, dumps, schema, worst
from lastput.result import Result, Verdict

from .samples import HOLDS, INCOMPLETE, SAMPLES, VIOLATED


@pytest.mark.parametrize("name", SAMPLES)
def test_fulfils_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(schema()).validate(json.loads(dumps([SAMPLES[name]])))


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_schema_knows_every_kind_and_verdict() -> None:
    defs = schema()["$defs"]
    assert set(defs["violation"]["properties"]["kind"]["enum"]) == {k for k in KINDS if not KINDS[k].bound}
    assert set(defs["bound"]["properties"]["kind"]["enum"]) == {k for k in KINDS if KINDS[k].bound}
    assert set(schema()["properties"]["verdict"]["enum"]) == set(get_args(Verdict))


def test_schema_describes_every_field() -> None:
    value = document([VIOLATED])["results"][0]
    described = schema()["$defs"]["result"]
    assert set(value) == set(described["properties"]) == set(described["required"])
    violation = schema()["$defs"]["violation"]
    assert set(value["violation"]) == set(violation["properties"]) == set(violation["required"])


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([HOLDS], "holds"),
        ([HOLDS, INCOMPLETE], "incomplete"),
        ([INCOMPLETE, VIOLATED, HOLDS], "violated"),
    ],
)
def test_worst(results: list[Result], verdict: str) -> None:
    assert worst(results) == verdict


def test_numbers_and_settings_survive() -> None:
    value = json.loads(dumps([replace(HOLDS, settings={"a": True, "b": 2, "c": "x"})]))["results"][0]
    assert value["settings"] == {"a": True, "b": 2, "c": "x"}
    assert value["counts"] == {"states": 34_567, "transitions": 70_001, "depth": 88}
