"""JUnit XML: a test case per variant, for the CI servers that read it.

There is no one standard; what is written here is what Jenkins' schema (junit-10.xsd), GitLab and
`junitparser` agree on.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from lastput.report.text import report
from lastput.result import Result

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


def text(results: Sequence[Result]) -> str:
    """All results as one file; a violated variant has failed, an incomplete one has an error."""
    root = ET.Element("testsuites", _counted(results, "lastput"))
    for scenario in dict.fromkeys(result.scenario for result in results):
        own = [result for result in results if result.scenario == scenario]
        suite = ET.SubElement(root, "testsuite", _counted(own, _legal(scenario)))
        for result in own:
            _case(suite, result)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _counted(results: Sequence[Result], name: str) -> dict[str, str]:
    return {
        "name": name,
        "tests": str(len(results)),
        "failures": str(sum(result.verdict == "violated" for result in results)),
        "errors": str(sum(result.verdict == "incomplete" for result in results)),
        "time": _seconds(sum(result.seconds.total for result in results)),
    }


def _case(suite: ET.Element, result: Result) -> None:
    name = {"classname": _legal(result.scenario), "name": _legal(result.variant)}
    case = ET.SubElement(suite, "testcase", {**name, "time": _seconds(result.seconds.total)})
    words = _legal(report(result))
    if result.violation:
        told = {"message": _legal(result.violation.headline), "type": result.violation.kind}
        ET.SubElement(case, "failure", told).text = words
    elif result.verdict == "incomplete":
        told = {"message": f"incomplete: {result.reason}", "type": "incomplete"}
        ET.SubElement(case, "error", told).text = words
    else:
        ET.SubElement(case, "system-out").text = words


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _legal(words: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", words)
