"""Chinese first, English complete."""

import io
import re
import tomllib
from functools import cache

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from landready import cities, demand, landuse, rule_sets
from landready.settings import ROOT
from web import vocabulary

CATALOGUE = ROOT / "web" / "translations" / "en" / "LC_MESSAGES" / "messages.po"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
IN_ATTRIBUTE = re.compile(
    r"""="\{\{ ?_\('([^']+)'"""
)  # gettext in a template is markup: Jinja escapes it no more
PLACEHOLDER = re.compile(r"\{[^}]*\}|%\(\w+\)[sd]|%%")


@cache
def in_the_code() -> frozenset[str]:
    with (ROOT / "web" / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
    found = set()
    for package in ("geo", "landready", "push", "web"):
        mapping = [
            (pattern.removeprefix(f"{package}/"), method)
            for pattern, method in methods
            if pattern.startswith(package)
        ]
        given = {
            p.removeprefix(f"{package}/"): o for p, o in options.items() if p.startswith(package)
        }
        for _file, _line, message, _comments, _context in extract_from_dir(
            ROOT / package, mapping, given, keywords=keywords
        ):
            found.update(message if isinstance(message, tuple) else (message,))
    return frozenset(found)


@cache
def english() -> Catalog:
    return read_po(io.BytesIO(CATALOGUE.read_bytes()), locale="en")


def test_every_text_has_its_english():
    translated = {m.id for m in english() if m.id and m.string and not m.fuzzy}
    assert sorted(in_the_code() - translated) == []


def test_catalogue_holds_no_text_that_the_code_lost():
    assert sorted({m.id for m in english() if m.id} - in_the_code()) == []


def test_english_has_no_chinese_left():
    assert [m.id for m in english() if m.id and CHINESE.search(str(m.string))] == []


def test_placeholders_are_the_same_in_both_languages():
    differing = [
        m.id
        for m in english()
        if m.id
        and sorted(PLACEHOLDER.findall(str(m.id))) != sorted(PLACEHOLDER.findall(str(m.string)))
    ]
    assert differing == []


def test_english_inside_an_attribute_does_not_end_it():
    templates = [
        p.read_text(encoding="utf-8") for p in (ROOT / "web" / "templates").rglob("*.html")
    ]
    inside = {text for page in templates for text in IN_ATTRIBUTE.findall(page)}
    assert inside
    assert [m.id for m in english() if m.id in inside and '"' in str(m.string)] == []


@pytest.mark.parametrize("text", ["供水", "土地超市"])
def test_the_source_language_is_chinese(text):
    assert text in in_the_code()


def test_words_of_the_data_files_are_known_to_the_catalogue():
    settings = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    gate = settings["gate"]
    rules = [*gate["utilities"].values(), *(gate[name] for name in rule_sets.OTHERS)]
    sources = {rule["source"] for rule in rules} | {rule_sets.UNDECIDED}
    sources |= {text for key, text in settings["clocks"].items() if key.endswith("_source")}
    assert set(vocabulary.CITIES) == set(cities.names().values())
    assert set(vocabulary.LAND_USES) == set(landuse.names().values())
    assert set(vocabulary.SOURCES) == sources
    used = [i for i in demand.indices() if i.utility in ("water", "drainage", "power")]
    words = {w for i in used for w in (i.description, i.table, i.source, i.unit)}
    assert set(vocabulary.DEMAND_INDICES) == {w for w in words if CHINESE.search(w)}
