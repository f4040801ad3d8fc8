"""The catalogue: complete, in both languages, and asked for by Accept-Language."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Fault
from runtime import http_errors
from runtime.messages import CATALOGUE, Language, fault_text, language_of, placeholders, text

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "kernel runtime receipts refunds lottery analytics pos_gateway mobile_stub barimt".split()  # noqa: SIM905 - shorter
)
RUNTIME_FAULT_VALUES = {"expected", "path"}
UNAVAILABLE_VALUES = {"retry_after_s"}

AWAITED = {
    "predecessor_missing",
}
"""Codes whose texts were written before the rule that says them. A code that is used may be struck out here."""


@dataclass
class Use:
    """One place in the source that says a code; `given` are the values that its text gets, None where unknown."""

    code: str
    place: str
    given: set[str] | None


@dataclass
class Source:
    """What the source says: codes of refusals (class name -> codes), and every use of a code."""

    refusals: dict[str, Use] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    uncollectable: list[str] = field(default_factory=list)


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def constant(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def keywords_of(call: ast.Call) -> set[str] | None:
    names = [keyword.arg for keyword in call.keywords]
    return None if None in names else {name for name in names if name is not None}


def collect() -> Source:
    source = Source()
    parsed = list(trees())
    classes = [(place, node) for place, tree in parsed for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known, size = {"Refusal"}, 0
    while len(known) != size:
        size = len(known)
        known |= {node.name for _, node in classes if {name_of(base) for base in node.bases} & known}
    for place, node in classes:
        if node.name in known - {"Refusal"}:
            _collect_refusal(source, place, node)
    for place, tree in parsed:
        _collect_calls(source, place, tree)
        _collect_tables(source, place, tree)
    return source


def _collect_refusal(source: Source, place: str, node: ast.ClassDef) -> None:
    for item in node.body:
        target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
        code = constant(getattr(item, "value", None))
        if isinstance(target, ast.Name) and target.id == "code" and code is not None:
            own = any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)
            use = Use(code, f"{place}:{item.lineno} class {node.name}", None)
            source.refusals[node.name] = use
            source.uses.append(use)
            supers = [call for call in ast.walk(node) if isinstance(call, ast.Call) and is_super_init(call)]
            if own and supers and not supers[0].args:
                use.given = keywords_of(supers[0])


def is_super_init(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "super().__init__"


def _collect_calls(source: Source, place: str, tree: ast.Module) -> None:
    tables = any("CODES" in name for name in _constants(tree))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        first = call.args[0] if call.args else named.get("code")
        code, where = constant(first), f"{place}:{call.lineno}"
        match name_of(call.func):
            case "Fault" if code is not None:
                source.uses.append(Use(code, where, _fault_values(call, named)))
            case "Fault" if not tables:
                source.uncollectable.append(where)
            case "Unavailable" if code in CATALOGUE:
                source.uses.append(Use(str(code), where, UNAVAILABLE_VALUES))
            case "text" if code is not None and len(call.args) > 1:
                source.uses.append(Use(code, where, keywords_of(call)))
            case name if name in source.refusals and source.refusals[name].given is None and not call.args:
                source.uses.append(Use(source.refusals[name].code, where, keywords_of(call)))


def _fault_values(call: ast.Call, named: dict[str | None, ast.expr]) -> set[str] | None:
    given = {"path"}
    if len(call.args) > 2 or "expected" in named:
        given.add("expected")
    values = named.get("values", call.args[3] if len(call.args) > 3 else None)
    if values is None:
        return given
    if not isinstance(values, ast.Tuple):
        return None
    pairs = [constant(pair.elts[0]) for pair in values.elts if isinstance(pair, ast.Tuple)]
    return given | {name for name in pairs if name is not None}


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id.isupper() and isinstance(value, ast.expr):
            found[target.id] = value
    return found


def _collect_tables(source: Source, place: str, tree: ast.Module) -> None:
    """In a constant named *_CODES every text is a code, in a dict every value."""
    for name, value in _constants(tree).items():
        if re.search(r"(^|_)CODES($|_)", name):
            holders = [dict_.values for dict_ in ast.walk(value) if isinstance(dict_, ast.Dict)] or [[value]]
            for node in (part for values in holders for item in values for part in ast.walk(item)):
                if constant(node) is not None:
                    source.uses.append(Use(str(constant(node)), f"{place}:{node.lineno} {name}", None))


SOURCE = collect()
USED = {use.code for use in SOURCE.uses}
STATUSES_ANSWERED = {400, 500, 503, *http_errors.STATUSES.values(), *http_errors._MALFORMED_STATUSES.values()}
TITLES = {f"title_{status}" for status in STATUSES_ANSWERED | set(http_errors._HTTP_CODES)}


class TestCatalogue:
    def test_holds_every_code_of_the_source(self) -> None:
        missing = {use.code: use.place for use in SOURCE.uses if use.code not in CATALOGUE}
        lines = "\n".join(
            f'  "{code}": {{"mn": "…", "en": "…"}},   said at {missing[code]}' for code in sorted(missing)
        )
        assert not missing, f"add to runtime/messages.json:\n{lines}"

    def test_holds_no_code_that_nobody_says(self) -> None:
        idle = CATALOGUE.keys() - USED - TITLES - AWAITED
        assert not idle, f"strike out of runtime/messages.json (or say them): {sorted(idle)}"

    def test_still_holds_the_codes_that_are_awaited(self) -> None:
        assert not AWAITED - CATALOGUE.keys()

    def test_holds_a_title_for_every_status(self) -> None:
        assert not TITLES - CATALOGUE.keys()

    def test_every_fault_is_said_with_a_code_that_can_be_found(self) -> None:
        assert not SOURCE.uncollectable, (
            f"write the code as a literal, or in a constant named *_CODES of the same module: {SOURCE.uncollectable}"
        )

    def test_the_walk_finds_what_is_known_to_be_there(self) -> None:
        assert {"tin_form", "terminal_form", "month_form", "time_form", "too_long"} <= USED
        assert "TokenExpired" in SOURCE.refusals

    @pytest.mark.parametrize("use", SOURCE.uses, ids=lambda use: f"{use.code}@{use.place}")
    def test_every_placeholder_gets_its_value(self, use: Use) -> None:
        wanted = placeholders(CATALOGUE[use.code][Language.ENGLISH]) if use.code in CATALOGUE else frozenset()
        assert use.given is None or wanted <= use.given, f"{use.place} lacks {sorted(wanted - use.given)}"

    @pytest.mark.parametrize("code", sorted(CATALOGUE))
    def test_says_the_same_in_both_languages(self, code: str) -> None:
        texts = CATALOGUE[code]
        assert set(texts) == set(Language)
        assert placeholders(texts[Language.MONGOLIAN]) == placeholders(texts[Language.ENGLISH])

    @pytest.mark.parametrize("code", sorted(CATALOGUE))
    def test_is_written_in_the_script_of_each_language(self, code: str) -> None:
        mongolian, english = CATALOGUE[code][Language.MONGOLIAN], CATALOGUE[code][Language.ENGLISH]
        assert re.search("[а-яөү]{3}", mongolian)
        assert not re.search("[а-яөүА-ЯӨҮ]", english)
        assert not re.search("[a-zA-Z][а-яөү]|[а-яөү][a-zA-Z]", mongolian), "a Latin letter inside a Mongolian word"
        bare = [re.sub(r"\{[a-z_]+\}", "", said) for said in (mongolian, english)]
        assert not re.search("[{}]", "".join(bare))

    def test_every_refusal_has_a_status(self) -> None:
        lacking = {use.code: use.place for use in SOURCE.refusals.values() if use.code not in http_errors.STATUSES}
        assert not lacking, f"add to _REFUSED_WITH in runtime/http_errors.py: {lacking}"

    def test_every_status_is_for_a_code_that_exists(self) -> None:
        assert http_errors.STATUSES.keys() <= CATALOGUE.keys()


class TestText:
    def test_fills_in_what_was_expected(self) -> None:
        fault = Fault("vat_mismatch", "/parts/0/vat_mongo", "45455")
        assert fault_text(fault, Language.ENGLISH) == "The VAT does not match. Expected: 45455 möngö."
        assert fault_text(fault, Language.MONGOLIAN) == "НӨАТ-ын дүн таарахгүй байна. Шалгуур дүн: 45455 мөнгө."

    def test_fills_in_the_values_of_a_fault(self) -> None:
        fault = Fault("key_reused", "/x", values=(("field", "/parts"),))
        assert fault_text(fault, Language.ENGLISH).endswith("differs: /parts.")

    def test_writes_an_ellipsis_for_what_is_missing(self) -> None:
        assert text("vat_mismatch", Language.ENGLISH) == "The VAT does not match. Expected: … möngö."

    def test_leaves_braces_in_a_value_alone(self) -> None:
        assert text("key_reused", Language.ENGLISH, field="{expected}").endswith("{expected}.")


class TestLanguageOf:
    @pytest.mark.parametrize(
        ("header", "language"),
        [
            (None, "mn"),
            ("", "mn"),
            ("en", "en"),
            ("EN-us", "en"),
            ("mn-Cyrl-MN,en;q=0.9", "mn"),
            ("en;q=0.3, mn;q=0.4", "mn"),
            ("en;q=0.4, mn;q=0.3", "en"),
            ("en, mn", "en"),
            ("mn, en", "mn"),
            ("de, fr;q=0.9", "mn"),
            ("de, en;q=0.1", "en"),
            ("*", "mn"),
            ("mn;q=0, *", "en"),
            ("*;q=0.5, en;q=0.1", "mn"),
            ("en;q=0", "mn"),
            ("en;q=0, mn;q=0", "mn"),
            ("en ; q=1.000 , mn;q=0.999", "en"),
            ("en;q=1.001", "mn"),
            ("en;q=nan, mn;q=0.1", "mn"),
            ("en-US;q=0.2, en;q=0.9, mn;q=0.5", "en"),
            ("en;q=0.9, en-GB;q=0.1, mn;q=0.5", "en"),
            ("english", "mn"),
            (",,;q=,en", "en"),
            ("x" * 300 + ",en", "mn"),
        ],
    )
    def test_chooses_by_quality(self, header: str | None, language: str) -> None:
        assert language_of(header) is Language(language)

    @given(st.text(max_size=600))
    def test_answers_for_any_header(self, header: str) -> None:
        assert language_of(header) in Language

    @given(st.permutations(["en;q=0.2", "mn;q=0.7", "de", "fr;q=0.9", "*;q=0.1"]))
    def test_does_not_depend_on_the_order_of_different_qualities(self, parts: list[str]) -> None:
        assert language_of(",".join(parts)) is Language.MONGOLIAN


def test_the_packages_walked_are_the_packages_there_are() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found - {"tests"} == set(PACKAGES)
