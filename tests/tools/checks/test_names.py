"""unbound_names: what raises NameError, found without running it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_tools.checks.names import unbound_names
from tests.networks_for_tests import network


@pytest.mark.parametrize("name", baselines())
def test_a_baseline_has_no_unbound_names(name: str) -> None:
    assert unbound_names("", baselines()[name].source) == ()


def test_a_name_that_an_edit_uses_and_does_not_bind_is_found_with_its_line() -> None:
    before = network()
    after = network(init="self.norm = LayerNorm(8)", forward="x = LayerNorm(functional.relu(x))")
    assert unbound_names(before, after) == (("LayerNorm", 18), ("functional", 22))


def test_a_name_whose_binding_an_edit_removed_is_found() -> None:
    assert unbound_names("import math\nmath.pi", "math.pi") == (("math", 1),)


def test_a_name_that_was_unbound_before_is_not_the_edits() -> None:
    assert unbound_names("old()", "old()\nold()\nnew()") == (("new", 3),)


def test_names_come_in_the_order_of_their_lines() -> None:
    assert unbound_names("", "b\nc; a") == (("b", 1), ("a", 2), ("c", 2))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import a.b\na", id="import of a submodule"),
        pytest.param("import b as a\na", id="import under another name"),
        pytest.param("from b import a\na", id="import from"),
        pytest.param("try:\n    import a\nexcept ImportError:\n    a = None\na", id="tried import"),
        pytest.param("if b := 0:\n    import a\na", id="conditional import"),
        pytest.param("def f():\n    return a\na = 1", id="bound below its use"),
        pytest.param("def f():\n    global a\n    a = 1\na", id="global"),
        pytest.param("def f():\n    global a\n    import a\na", id="global import"),
        pytest.param(
            "def f():\n    a = 1\n    def g():\n        nonlocal a\n        a = a", id="nonlocal"
        ),
        pytest.param(
            "def f():\n    def g():\n        return a\n    a = 1", id="enclosing function"
        ),
        pytest.param("def f(a, *b, c=1, **d):\n    return a, b, c, d", id="parameters"),
        pytest.param("f = lambda a, *b: (a, b)", id="parameters of a lambda"),
        pytest.param("[a for b in [[1]] for a in b if a]", id="comprehension"),
        pytest.param("{a: b for a, b in {}.items()}", id="dictionary comprehension"),
        pytest.param("[(a := 1) for b in ()]\na", id="walrus in a comprehension"),
        pytest.param("class C:\n    a = 1\n    b = a", id="class level"),
        pytest.param("class C:\n    a = 1\n    b = [i for i in a]", id="class level iterable"),
        pytest.param("def f(a):\n    class C:\n        b = a", id="class in a function"),
        pytest.param("class C:\n    def f(self):\n        return C, __class__", id="class names"),
        pytest.param("class C:\n    a = __module__, __qualname__", id="names of every class body"),
        pytest.param("try:\n    1\nexcept OSError as a:\n    a", id="except"),
        pytest.param("with open('') as (a, b):\n    a, b", id="with"),
        pytest.param("for a, *b in ():\n    a, b", id="for"),
        pytest.param(
            "match 1:\n    case {'k': [a, *b], **c} as d:\n        a, b, c, d", id="match"
        ),
        pytest.param("if False:\n    a = 1\na", id="bound under a condition that is never met"),
        pytest.param("a: int = 1\na", id="annotated"),
        pytest.param("a = 1\ndel a\na", id="deleted"),
        pytest.param("a += 1", id="augmented"),
        pytest.param("__name__, __file__, __doc__, __spec__, __builtins__", id="module's own"),
        pytest.param("print(len, NotImplemented, __debug__, exit)", id="builtins"),
        pytest.param("def f(x: 'Missing') -> 'Missing': pass", id="annotation in quotes"),
        pytest.param(
            "from __future__ import annotations\ndef f(x: Missing): pass", id="annotation in future"
        ),
        pytest.param("def f():\n    x: Missing = 1", id="annotation of a local variable"),
        pytest.param("def f(self):\n    self.x: Missing = 1", id="annotation of an attribute"),
        pytest.param("class C:\n    def f(self):\n        return __missing", id="private name"),
        pytest.param("# missing\n'missing'", id="comment and string"),
        pytest.param("x = 1\nx.missing(missing=2)", id="attribute and keyword"),
    ],
)
def test_what_something_may_bind_is_bound(source: str) -> None:
    assert unbound_names("", source) == ()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("from b import *\na", id="star import"),
        pytest.param("globals()['a'] = 1\na", id="globals"),
        pytest.param("vars()['a'] = 1\na", id="vars"),
        pytest.param("locals()['a'] = 1\na", id="locals"),
        pytest.param("exec('a = 1')\na", id="exec"),
        pytest.param("eval('(a := 1)')\na", id="eval"),
        pytest.param("import sys\nsys.modules[__name__].a = 1\na", id="module object"),
        pytest.param("import builtins\nbuiltins.a = 1\na", id="builtins"),
        pytest.param("def f(): pass\nf.__globals__['a'] = 1\na", id="globals of a function"),
        pytest.param("if 'a' in dir(): a", id="asking first"),
        pytest.param("try:\n    a\nexcept NameError:\n    pass", id="trying"),
        pytest.param("try:\n    a\nexcept (OSError, NameError):\n    pass", id="trying two"),
        pytest.param("try:\n    a\nexcept Exception:\n    pass", id="trying anything"),
        pytest.param("try:\n    a\nexcept:\n    pass", id="trying without a type"),
    ],
)
def test_nothing_is_found_where_a_name_may_be_bound_or_missed_on_purpose(source: str) -> None:
    assert unbound_names("", source) == ()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        pytest.param("1\na", 2, id="module"),
        pytest.param("def f():\n    return a", 2, id="function"),
        pytest.param("def f():\n    a = 1\ndef g():\n    return a", 4, id="another's local"),
        pytest.param(
            "class C:\n    a = 1\n    def f(self):\n        return a", 4, id="class's own"
        ),
        pytest.param("class C:\n    b = a", 2, id="class level"),
        pytest.param("[a for a in ()]\na", 2, id="after a comprehension"),
        pytest.param("lambda a: a\na", 2, id="after a lambda"),
        pytest.param("def f():\n    {a: 1 for a in ()}\n    a", 3, id="after one in a function"),
        pytest.param("[i\nfor i in a]", 2, id="iterable"),
        pytest.param("[i\nfor i in () for j in\na]", 3, id="second iterable"),
        pytest.param("{i: 1 for i in () if\na}", 2, id="condition"),
        pytest.param("f = lambda x: (\n x, a)", 2, id="lambda"),
        pytest.param("f = lambda x=(\n a): x", 2, id="default of a lambda"),
        pytest.param("@a\ndef f(): pass", 1, id="decorator"),
        pytest.param("def f(x=a): pass", 1, id="default"),
        pytest.param("def f(x: a): pass", 1, id="annotation"),
        pytest.param("def f() -> a: pass", 1, id="annotation of the result"),
        pytest.param("x: a = 1", 1, id="annotation of a module variable"),
        pytest.param("class C(a): pass", 1, id="base"),
        pytest.param("class C(metaclass=a): pass", 1, id="metaclass"),
        pytest.param("try:\n    1\nexcept a:\n    pass", 3, id="exception"),
        pytest.param("try:\n    a\nexcept OSError:\n    pass", 2, id="caught as something else"),
        pytest.param("try:\n    1\nexcept NameError:\n    a", 4, id="in the handler"),
        pytest.param("'x' in dir(1)\na", 2, id="dir of an object"),
        pytest.param("class M:\n    def eval(self): self.eval()\na", 3, id="method named eval"),
        pytest.param("async def f():\n    await a", 2, id="async function"),
        pytest.param("f'''\n{a}'''", 2, id="formatted string"),
    ],
)
def test_what_nothing_binds_is_found_at_the_line_that_loads_it(source: str, line: int) -> None:
    assert unbound_names("", source) == (("a", line),)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def f(:", id="syntax error"),
        pytest.param("def f(a, a): missing", id="parameter that stands twice"),
        pytest.param("nonlocal missing", id="nonlocal at the top"),
        pytest.param("missing\0", id="NUL byte"),
        pytest.param("'\ud800'", id="lone surrogate"),
        pytest.param("(" * 100_000, id="open brackets"),
        pytest.param("x = 1" + "+1" * 100_000, id="sum"),
        pytest.param("x = " + "lambda: " * 20_000 + "1", id="lambdas"),
    ],
)
def test_a_text_that_is_not_python_has_none(source: str) -> None:
    assert unbound_names("", source) == ()
    assert unbound_names(source, "new") == (("new", 1),)


@pytest.mark.parametrize("depth", [50, 500, 1500, 5000])
def test_a_deep_expression_is_no_trouble(depth: int) -> None:
    assert len(unbound_names("", "missing" + ".x" * depth)) <= 1


@given(st.text(), st.text())
def test_any_two_texts_have_an_answer(before: str, after: str) -> None:
    assert isinstance(unbound_names(before, after), tuple)


def test_a_doubtful_escape_is_no_error() -> None:
    assert unbound_names("", "'\\d'\nmissing") == (("missing", 2),)
