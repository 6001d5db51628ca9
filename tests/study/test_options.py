"""Every option is set to something else than its default, by a run that says what must come of it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import lastput.kernel
import lastput.kvm
import lastput.study
from lastput.lang.options import Option, OptionGroup, Value, declared_options
from lastput.study import designs, pairs
from lastput.study.claims import claims
from lastput.study.corpus import entries
from lastput.study.experiment import Run
from lastput.study.registry import SCENARIOS
from tests.study import test_age_vs_exit, test_events, test_lru_gen, test_parts

TESTS = Path(__file__).parents[1]

IN_TESTS = {
    "delayed_fput": "kernel/test_files.py",
    "batch": "validate/test_stage.py",
    "hardware_af": "validate/test_stage.py",
    "limit": "validate/test_stage.py",
    "nr_open": "validate/test_stage.py",
    "ptrs_per_pte": "validate/test_stage.py",
    "tasks": "validate/test_stage.py",
    "threads": "validate/test_stage.py",
    "unregister_waits": "study/test_age_vs_exit.py",
    "zap_touches_page": "study/test_x86_touch.py",
}
"""Options that a test sets, which is no table of runs."""


def runs() -> Iterator[Run]:
    """All experiments there are."""
    for entry in entries():
        yield from (*entry.runs, *entry.larger)
    for claim in claims():
        yield from (exhibit.run for exhibit in claim.exhibits)
    yield from (cell.run for cell in designs.CELLS)
    yield from (run for hazard in designs.HAZARDS for run in hazard.runs)
    for questions in (pairs.QUESTIONS, pairs.ORDERS, pairs.STRANGERS, pairs.WINDOW):
        yield from (question.run for question in questions)
    yield from test_parts.RUNS
    yield from test_lru_gen.RUNS


def settings() -> Iterator[tuple[str, Mapping[str, Value]]]:
    """(scenario, what is set) of every variant, experiment, and table of a test."""
    for name, scenario in SCENARIOS.items():
        yield from ((name, chosen) for chosen in scenario.variants.values())
    yield from ((run.scenario, run.settings) for run in runs())
    yield from ((test_age_vs_exit.NAME, way) for way in test_age_vs_exit.WAYS)
    yield from (("mm/events", chosen) for _, chosen, _ in test_events.MISSED)
    yield from (("mm/events", chosen) for _, chosen in test_events.NOT_MISSED)


def chosen() -> dict[int, set[Value]]:
    """By `id` of an option, the values that it is given; names are unique only within a scenario."""
    found: dict[int, set[Value]] = {}
    for name, values in settings():
        for key, value in values.items():
            option = SCENARIOS[name].options[key]
            found.setdefault(id(option), set()).add(option.check(key, value))
    return found


def every_option() -> Iterator[tuple[str, Option]]:
    """(Group.name, option) of every group of the models and the study."""
    for package in (lastput.kernel, lastput.kvm, lastput.study):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, group in vars(importlib.import_module(found.name)).items():
                if type(group) is OptionGroup:
                    yield from ((f"{name}.{key}", option) for key, option in declared_options(group).items())


def test_every_option_is_set() -> None:
    given = chosen()
    unset = {
        name
        for name, option in every_option()
        if given.get(id(option), set()) <= {option.default} and name.partition(".")[2] not in IN_TESTS
    }
    assert unset == set()


def test_every_word_of_an_option_is_chosen() -> None:
    given = chosen()
    unset = {
        (name, word)
        for scenario in SCENARIOS.values()
        for name, option in scenario.options.items()
        for word in set(option.values) - given.get(id(option), set()) - {option.default}
    }
    assert unset == set()


def test_tests_set_what_is_said_to_be_theirs() -> None:
    for name, file in IN_TESTS.items():
        assert f'"{name}": ' in (TESTS / file).read_text(), name


def test_every_variant_is_run_somewhere() -> None:
    ran = {(run.scenario, run.variant) for run in runs()}
    ran |= {("mm/events", event) for event in SCENARIOS["mm/events"].variants}
    ran |= {("x86/age-vs-exit", variant) for variant in ("touch", "touch-D1", "touch-D2b")}
    ran |= {("kvm/traced", variant) for variant in ("v6.1", "v6.12")}  # tests/validate/test_traced.py
    missing = {
        (name, variant)
        for name, scenario in SCENARIOS.items()
        for variant in scenario.variants
        if (name, variant) not in ran
    }
    assert missing == set()
