"""The page about JSON names every field that `lastput claims` and `lastput corpus` print."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lastput.cli import claims, corpus, experiments
from lastput.report.json import experiment_value
from lastput.result import Result
from lastput.simulate.meter import NAMES
from lastput.study.costs import Costs
from lastput.study.costs_table import PATHS, Row
from lastput.study.experiment import Run
from lastput.study.settle import Settled

from .test_reference import named, rows

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text("utf-8")


def fields(heading: str) -> set[str]:
    """The names in the first column below a heading."""
    return set().union(*(named(row[0]) for row in rows(PAGE, heading)))


def settled(run: Run) -> Settled:
    return Settled(run, Result(run.scenario, "", run.variant, "holds"), False)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command prints as JSON, without running anything."""

    def run_all(runs: list[Run], **how: Any) -> experiments.Found:
        row = Row("D0", PATHS[0], Costs(executed=True))
        return experiments.Found({id(run): settled(run) for run in runs}, [row] if how.get("costs") else [])

    monkeypatch.setattr(experiments, "run_all", run_all)

    def command(module: Any, **chosen: Any) -> Mapping[str, Any]:
        args = argparse.Namespace(jobs=None, fresh=False, json=True, larger=True, html=None, **chosen)
        module.run(args)
        value: Mapping[str, Any] = json.loads(capsys.readouterr().out)
        return value

    return command


EXPERIMENT = set(experiment_value(settled(Run("kvm/age-vs-exit", "v4.12"))))


def test_every_field_of_an_experiment_has_a_row() -> None:
    assert fields("Experiments") == EXPERIMENT


def test_every_field_of_claims_is_named(printed: Any) -> None:
    value = printed(claims, claims=[])
    assert fields("`lastput claims`") == set(value)
    inner = {key for name in value if isinstance(value[name], list) for key in value[name][0]}
    assert inner | set(value["claims"][0]["exhibits"][0]) <= named(PAGE) | EXPERIMENT
    assert set(value["costs"][0]["counts"]) == set(NAMES)
    assert all(f"`{name}`" in PAGE.replace("\n", " ") for name in NAMES)


def test_every_field_of_the_corpus_is_named(printed: Any) -> None:
    value = printed(corpus, entries=["1"])
    assert fields("`lastput corpus`") == set(value)
    (entry,) = value["entries"]
    assert set(entry) | set(entry["experiments"][0]) <= named(PAGE)
    assert {one["role"] for one in entry["experiments"]} <= named(PAGE)
