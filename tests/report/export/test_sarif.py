"""SARIF: valid by the published schema, and true to the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lastput.checks.kinds import KINDS
from lastput.report.export.sarif import text
from lastput.result import Frame, Result

from ..samples import INCOMPLETE, NULL_DEREF, SAMPLES, VIOLATED
from .samples import ROOT, checked

SCHEMA = json.loads((ROOT / "tests/data/sarif/sarif-schema-2.1.0.json").read_text("utf-8"))
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA, format_checker=jsonschema.FormatChecker())


def log(*results: Result) -> Any:
    value = json.loads(text(results))
    VALIDATOR.validate(value)
    return value["runs"][0]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_shape_of_result_is_valid(name: str) -> None:
    run = log(SAMPLES[name])
    assert len(run["results"]) == (SAMPLES[name].violation is not None)


def test_the_schema_refuses_what_is_wrong() -> None:
    value = json.loads(text([VIOLATED]))
    value["runs"][0]["results"][0]["codeFlows"][0]["threadFlows"][0]["locations"] = []
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(value)


def test_each_task_has_a_thread_flow_and_the_order_runs_across_them() -> None:
    run = log(checked("refcounted_device.py", "broken"))
    (found,) = run["results"]
    (flow,) = found["codeFlows"]
    assert [thread["id"] for thread in flow["threadFlows"]] == ["reader0", "unplug"]
    order = [[place["executionOrder"] for place in t["locations"]] for t in flow["threadFlows"]]
    assert order == [[1, 2, 3, 9], [4, 5, 6, 7, 8]]
    last = flow["threadFlows"][0]["locations"][-1]
    assert last["importance"] == "essential"
    assert last["location"]["message"]["text"] == "atomic_inc(dev.refs) (reads 0)"
    names = [f["location"]["logicalLocations"][0]["name"] for f in last["stack"]["frames"]]
    assert names == ["atomic_inc", "device_open", "read_device"]


def test_places_are_relative_to_what_they_are_in() -> None:
    (found,) = log(checked("refcounted_device.py", "broken"))["results"]
    where = found["locations"][0]["physicalLocation"]
    assert where["artifactLocation"] == {"uri": "kernel/atomic.py", "uriBaseId": "LASTPUT"}
    source = (ROOT / "src/lastput/kernel/atomic.py").read_text().splitlines()
    assert source[where["region"]["startLine"] - 1].strip() == where["region"]["snippet"]["text"]
    outer = found["stacks"][0]["frames"][-1]["location"]["physicalLocation"]["artifactLocation"]
    assert outer == {"uri": "examples/refcounted_device.py", "uriBaseId": "SRCROOT"}


def test_a_rule_says_what_the_kernel_says_and_what_it_means() -> None:
    run = log(*(result for result in SAMPLES.values()))
    rules = run["tool"]["driver"]["rules"]
    assert [rules[found["ruleIndex"]]["id"] for found in run["results"]] == [
        found["ruleId"] for found in run["results"]
    ]
    for rule in rules:
        assert rule["shortDescription"]["text"] == KINDS[rule["id"]].headline
        assert KINDS[rule["id"]].meaning in rule["help"]["text"]


def test_a_wish_that_nothing_fulfils_has_no_place() -> None:
    found = replace(NULL_DEREF, kind="unreachable", function="", file="", line=0, thread=None)
    tasks = tuple(replace(task, frames=()) for task in found.tasks)
    result = replace(VIOLATED, violation=replace(found, tasks=tasks, steps=(), schedule=()))
    (shown,) = log(result)["results"]
    assert shown["locations"] == []
    assert not {"codeFlows", "stacks"} & set(shown)


def test_an_incomplete_search_is_no_success() -> None:
    run = log(INCOMPLETE)
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert "max-states" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert log(VIOLATED)["invocations"][0]["executionSuccessful"]


def test_a_fingerprint_outlives_a_shift_of_lines() -> None:
    def fingerprint(result: Result) -> str:
        found: dict[str, str] = log(result)["results"][0]["partialFingerprints"]
        return found["lastput/v1"]

    found = VIOLATED.violation
    assert found
    top = found.tasks[0].frames[0]
    frames = (replace(top, line=top.line + 7), *found.tasks[0].frames[1:])
    tasks = (replace(found.tasks[0], frames=frames), *found.tasks[1:])
    moved = replace(VIOLATED, violation=replace(found, line=found.line + 7, tasks=tasks))
    assert fingerprint(moved) == fingerprint(VIOLATED)
    other = replace(VIOLATED, violation=replace(found, function="other"))
    assert fingerprint(other) != fingerprint(VIOLATED)


@pytest.mark.parametrize("file", ["a b#c?100%.py", "/tmp/a b#c?100%.py", "ä/ö.py"])
def test_any_file_name_makes_a_uri(file: str) -> None:
    found = VIOLATED.violation
    assert found
    task = replace(found.tasks[0], frames=(Frame("f", file, 1),))
    violation = replace(found, function="f", file=file, line=1, tasks=(task, found.tasks[1]))
    where = log(replace(VIOLATED, violation=violation))["results"][0]["locations"][0]["physicalLocation"]
    uri = where["artifactLocation"]["uri"]
    assert not set(uri) & set(" #?")
    assert uri.replace("%25", "").count("%20") == file.count(" ")
    assert Path(file).is_absolute() == ("uriBaseId" not in where["artifactLocation"])
