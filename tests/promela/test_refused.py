"""What is outside is refused: each model says in its last lines where, why and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lastput.lang.errors import ModelError, UsageError
from lastput.promela.compile import compile_model
from lastput.promela.parser import parse

MODELS = sorted((Path(__file__).parent / "refused").glob("*.pml"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_it_is_refused(path: Path) -> None:
    text = path.read_text()
    error = re.search(r"// error: (\d+):(\d+): (.*)", text)
    instead = re.search(r"// instead: (.*)", text)
    assert error
    assert instead
    with pytest.raises(ModelError) as refused:
        compile_model(parse(path))
    found = refused.value
    assert (found.line, found.column + 1) == (int(error[1]), int(error[2])), str(found)
    assert found.message.startswith(error[3])
    assert found.remedy.startswith(instead[1])
    assert str(found).startswith(f"{path}:{error[1]}:{error[2]}: error: ")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.pml: No such file"):
        parse(tmp_path / "none.pml")


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.pml"
    path.write_text("")
    with pytest.raises(ModelError, match="no process"):
        parse(path)


def test_a_place_in_a_macro_is_where_the_macro_stands(tmp_path: Path) -> None:
    path = tmp_path / "macro.pml"
    path.write_text("#define BAD nowhere + 1\n\ninit { byte x; x = BAD }\n")
    with pytest.raises(ModelError) as refused:
        parse(path)
    assert (refused.value.line, refused.value.column) == (3, 19)


def test_a_place_in_an_included_file(tmp_path: Path) -> None:
    (tmp_path / "inner.h").write_text("byte ok;\nbyte 3;\n")
    path = tmp_path / "outer.pml"
    path.write_text('#include "inner.h"\ninit { skip }\n')
    with pytest.raises(ModelError) as refused:
        parse(path)
    assert refused.value.filename.endswith("inner.h")
    assert refused.value.line == 2
