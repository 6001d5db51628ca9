"""The page of `lastput validate`: everything that the text says is in it, and nothing unescaped."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.report.html import validations


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return validations.page(tmp_path_factory.mktemp("page"))


def words(page: str) -> str:
    """What somebody reads, tags left out."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2])).split())


def test_what_was_accepted_is_counted_by_function_reason_and_line(page: str) -> None:
    said = words(page)
    assert re.search(r"accepted: 17 events are matched by \d+ steps of the model", said)
    assert "1 __mmu_notifier_release 1 exit_mmap" in said
    assert "23 a tracepoint or marker: used to find out what the tasks called: sys_exit_ioctl 18" in said
    ran = "do_exit, exit_mm, exit_notify, finish_task_switch, sched_process_exit"
    assert re.search(rf"kernel/exit\.py {ran} lines [\d, -]+", said)


def test_what_was_refused_shows_where_every_task_stands(page: str) -> None:
    said = words(page)
    assert re.search(r"then line \d+: kvmlab-358 enters kvm_arch_flush_shadow_all cannot follow", said)
    assert "pgt=0x0 users=2" in said
    assert "Disagrees pgt is there: 0 in the trace, 1 in the model" in said
    assert re.search(r"kvm_mmu_notifier_release:\d+ call_release:\d+", said)


def test_what_could_not_be_read_is_said_and_escaped(page: str) -> None:
    assert "<img" not in page
    assert "&lt;img src=x&gt;: no such file" in page


def test_two_of_a_name_have_sections_of_their_own(page: str) -> None:
    assert re.findall(r'<a href="#(r\d)">(\w+/a7)</a>', page) == [("r1", "good/a7"), ("r2", "bad/a7")]
    assert re.findall(r'<h2 id="(r\d)">(\w+/a7)', page) == [("r1", "good/a7"), ("r2", "bad/a7")]
