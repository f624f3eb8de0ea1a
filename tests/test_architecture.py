"""The import table, the house rules, and what may be loaded when: held by reading the code, not by trust."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from gonerd.cli.main import main

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "gonerd"

# What every room may use: the hall, and what the hall is built of.
HALL = {"errors", "records", "labels", "scoring", "similarity", "formats", "store", "resources", "files", "processes"}
HALL |= {"bars", "bootstrap", "conventions", "encoding", "label_maps", "pages", "scratch", "semeval", "urls"}
HALL |= {"runs"}  # of the store
ROOMS = {
    "corpus": set(),
    "annotation": set(),
    "dataset": set(),
    "models": set(),
    "training": {"models"},
    "evaluation": {"models"},
    "leaderboard": {"evaluation.result", "evaluation.analysis", "evaluation.views", "evaluation.cost_report"},
}
CONNECTORS = {"cli", "sample"}  # only these connect rooms
DATA = {"annotation_guidelines", "builders", "hub_card"}
HEAVY = ("torch", "spacy", "transformers", "pyarrow", "datasets")

SOURCES = sorted([*PACKAGE.rglob("*.py"), *(CHECKOUT / "builders").glob("*.py")])
MAX_LINES, MAX_FUNCTION, MAX_PARAMETERS = 350, 60, 6


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    """The dotted name of a file, as it is imported."""
    relative = path.relative_to(CHECKOUT)
    parts = list(relative.with_suffix("").parts)
    if parts[0] != "gonerd":
        parts = ["gonerd", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    """All gonerd modules that a file imports, also inside functions and strings of lazily loaded commands."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "gonerd")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] == "gonerd":
                yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            yield from (
                a.value for a in node.args if isinstance(a, ast.Constant) and str(a.value).startswith("gonerd.")
            )


def room_of(module):
    return module.split(".")[1] if "." in module else ""


def allowed(importer, imported):
    """Tell whether one module may import another."""
    here, there = room_of(importer), room_of(imported)
    if here in CONNECTORS | {"__main__"} or there in {"", here, "__version__"} or there in HALL:
        return not (here in HALL and there in ROOMS)
    if here in {"builders", ""}:  # the builder and the package itself load the dataset
        return there in {"dataset", *DATA}
    granted = ROOMS.get(here, set())
    return there in granted or any(imported.startswith(f"gonerd.{name}.") for name in granted if "." in name)


def test_every_folder_is_a_known_room():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == {*ROOMS, *CONNECTORS, "formats"}
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert files <= HALL, "a file beside the rooms belongs to the hall: name it here"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_rooms_import_only_the_hall_and_what_the_table_grants(path):
    importer = module_of(path)
    wrong = sorted({imported for imported in imports_of(path) if not allowed(importer, imported)})
    assert not wrong, f"{importer} imports {', '.join(wrong)}"


def test_the_table_is_able_to_say_no():
    cases = {
        ("gonerd.corpus.crawl", "gonerd.store.run_stage"): True,
        ("gonerd.corpus.crawl", "gonerd.corpus.extract"): True,
        ("gonerd.corpus.crawl", "gonerd.dataset.build"): False,
        ("gonerd.training.distill", "gonerd.models.encoder.Encoder"): True,
        ("gonerd.training.distill", "gonerd.evaluation.evaluate"): False,
        ("gonerd.evaluation.predict", "gonerd.models.windows"): True,
        ("gonerd.leaderboard.verify", "gonerd.evaluation.result.Result"): True,
        ("gonerd.leaderboard.verify", "gonerd.evaluation.predict"): False,
        ("gonerd.leaderboard.verify", "gonerd.evaluation.results_of_others"): False,
        ("gonerd.store", "gonerd.corpus.crawl"): False,
        ("gonerd.formats.conll", "gonerd.dataset.build"): False,
        ("gonerd.cli.corpus", "gonerd.corpus.crawl"): True,
        ("gonerd.sample.quickstart", "gonerd.training.distill"): True,
        ("gonerd.dataset.load", "gonerd.cli.console"): False,
        ("gonerd.dataset.load", "gonerd.sample.site"): False,
    }
    assert {case: allowed(*case) for case in cases} == cases


def parents_of(tree):
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def functions_of(path):
    return [n for n in ast.walk(parsed(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_files_and_functions_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < MAX_LINES
    long = [f.name for f in functions_of(path) if f.end_lineno - f.lineno + 1 >= MAX_FUNCTION]
    assert not long, f"{MAX_FUNCTION} lines or more: {', '.join(long)}"


def test_functions_are_short_on_the_whole():
    lengths = sorted(f.end_lineno - f.lineno + 1 for path in SOURCES for f in functions_of(path))
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= 30


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_functions_take_few_parameters(path):
    wrong = []
    for function in functions_of(path):
        given = function.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        names = [a.arg for a in every if a.arg not in {"self", "cls"}]
        if len(names) > MAX_PARAMETERS:
            wrong.append(f"{function.name} ({len(names)})")
    assert not wrong, f"more than {MAX_PARAMETERS} parameters: {', '.join(wrong)}"


def is_public(node, parents):
    """Tell whether a definition can be reached from outside: no private name on the way, not inside a function."""
    while node in parents:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name.startswith("_"):
            return False
        node = parents[node]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
    return True


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_whatever_is_public_is_documented(path):
    tree = parsed(path)
    parents = parents_of(tree)
    bare = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and is_public(node, parents)
        and not ast.get_docstring(node)
    ]
    assert not bare, f"no docstring: {', '.join(bare)}"
    assert ast.get_docstring(tree), "the file has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_only_the_command_line_prints(path):
    if room_of(module_of(path)) == "cli":
        return
    calls = [
        n.lineno for n in ast.walk(parsed(path)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "print"
    ]
    assert not calls, f"prints in line {calls}"


def loaded_by(code):
    """What a fresh process has loaded of the heavy packages once it has run some code."""
    probe = f"import sys\n{code}\nprint('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    assert lines, done.stderr
    return lines[-1].split()[1:]


def help_of(*arguments):
    return (
        "from gonerd.cli.main import main\n"
        f"try:\n    main([{', '.join(map(repr, arguments))}])\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code"
    )


@pytest.mark.parametrize(
    "code",
    ["import gonerd", help_of("--help"), help_of("corpus", "--help"), help_of("--version")],
    ids=["import", "help", "corpus help", "version"],
)
def test_little_is_loaded_until_it_is_needed(code):
    assert loaded_by(code) == []


@pytest.mark.parametrize("group", ["corpus", "annotate", "dataset", "model", "leaderboard"])
def test_every_command_of_a_group_has_its_line_in_the_groups_help(group, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit):
        main([group, "--help"])
    panel = [line.strip("│ ").split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[:1] == "│"]
    assert panel
    assert not [row[0] for row in panel if len(row) < 2]


def test_the_probe_would_notice():
    assert loaded_by("import types; sys.modules['torch'] = types.ModuleType('torch')") == ["torch"]


def test_scoring_loads_nothing_heavy():
    assert loaded_by("from gonerd.scoring import *\nfrom gonerd.store import *\nfrom gonerd.similarity import *") == []


def test_the_limits_are_those_of_the_linter():
    configured = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["pylint"]
    assert configured["max-args"] == MAX_PARAMETERS
