"""The shape of the code, guarded: what an import linter cannot see."""

import ast
import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from landready.settings import ROOT

PACKAGES = ("geo", "landready", "push", "web")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
CLOCKS = ("datetime", "date", "time")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def calls(path: Path, *names: str, on: tuple[str, ...] = ()) -> list[int]:
    """Lines that call a method of one of `names`, on one of the objects `on` when any is given."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        and (not on or (isinstance(node.func.value, ast.Name) and node.func.value.id in on))
    ]


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.parts[-2] == "landready"], ids=lambda p: p.name
)
def test_domain_never_commits(path):
    """The caller's transaction decides; migrations and the servers' own set-up are not the domain."""
    if path.name not in {"db.py", "migrate.py", "servers.py"}:
        assert calls(path, "commit", "rollback") == []


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.parts[-2] in {"geo", "landready"}], ids=lambda p: p.name
)
def test_rules_take_now_as_an_argument(path):
    """Only the programme's own entry points read the clock."""
    entry_points = {"cli.py", "up.py", "demo.py", "processes.py", "servers.py", "doctor.py"}
    if path.name not in entry_points:
        assert calls(path, "now", "utcnow", "today", "time", on=CLOCKS) == []


def test_web_process_never_loads_gdal():
    """Uploads are parsed in a child: neither the application nor the worker may import pyogrio."""
    import subprocess
    import sys

    code = "import sys, web.app, push.worker, push.sweep; sys.exit('pyogrio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_setting_is_explained_in_config_toml():
    import tomllib

    from landready.settings import Settings

    written = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    sections = set(Settings.model_fields) - {"var", "secret_key", "signing_key"}
    assert set(written) == sections
    for section in sections:
        model = Settings.model_fields[section].annotation
        keys = {field.alias or name for name, field in model.model_fields.items()}
        assert set(written[section]) == keys, section


def test_modules_stay_one_noun():
    """Past 400 lines a module is more than one noun."""
    long = {
        str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 400
    }
    assert long == {}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "web" / "templates").rglob("*.html")), ids=lambda p: p.name
)
def test_template_texts_are_marked_for_translation(path):
    """Chinese outside gettext would stay Chinese on the English page."""
    source = path.read_text(encoding="utf-8")
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
    outside = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", source, flags=re.DOTALL)
    inside = " ".join(re.findall(r"\{\{.*?\}\}|\{%.*?%\}", source, flags=re.DOTALL))
    unmarked = re.sub(r"_\(\s*'(?:[^'\\]|\\.)*'|_\(\s*\"(?:[^\"\\]|\\.)*\"|'中文'", "", inside)
    assert CHINESE.findall(outside + unmarked) == []


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[-2] == "web"], ids=lambda p: p.name)
def test_web_texts_are_marked_for_translation(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    marked = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"_", "N_", "gettext", "ngettext"}
        for argument in node.args
    }
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    allowed = {"中文"}  # the name of the language in itself
    loose = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and CHINESE.search(node.value)
        and id(node) not in marked | docstrings
        and node.value not in allowed
    ]
    assert loose == []


def test_no_machine_path_or_registry_in_the_project():
    import subprocess

    words = r"(/wor[k]/|/roo[t]/|pyp[i]\.[a-z]|pythonhoste[d]|npmj[s]\.|deb\.debia[n])"
    found = subprocess.run(
        ["git", "grep", "-nIE", words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


def test_frame_of_all_pages_names_nothing():
    """Jinja shows a name of base.html to the blocks of every page, in place of what the page was given under it."""
    source = (ROOT / "web" / "templates" / "base.html").read_text(encoding="utf-8")
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(source)
    naming = (nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Import, nodes.FromImport)
    assert list(tree.find_all(naming)) == []
