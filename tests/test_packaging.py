"""What is declared, what is on the disk and what ends up in the wheel are the same."""

import ast
import importlib.metadata
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import gonerd
from gonerd.errors import EXTRAS
from gonerd.resources import folder

CHECKOUT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
TOP_LEVEL = {name: path for name, path in SETUPTOOLS["package-dir"].items() if name != "gonerd"}

# What is imported under another name than it is installed under.
DISTRIBUTIONS = {"bs4": "beautifulsoup4", "sklearn": "scikit-learn", "yaml": "pyyaml"}


def folder_of(package):
    """Where a package lies in the checkout."""
    return CHECKOUT / TOP_LEVEL.get(package, package.replace(".", "/"))


def packages_on_disk():
    inside = {".".join(path.parent.relative_to(CHECKOUT).parts) for path in (CHECKOUT / "gonerd").rglob("__init__.py")}
    return inside | {name for name, path in TOP_LEVEL.items() if (CHECKOUT / path / "__init__.py").is_file()}


def test_the_packages_declared_are_the_packages_there_are():
    declared = SETUPTOOLS["packages"]
    assert len(declared) == len(set(declared))
    assert set(declared) == packages_on_disk()
    strays = [
        path for path in CHECKOUT.glob("*/__init__.py") if path.parent.name not in {"gonerd", *TOP_LEVEL.values()}
    ]
    assert not strays, "a package at the top level that is not mapped into gonerd"


def data_files():
    """Every file under a package that is not Python: package, and path within it. Innermost package first."""
    packages = sorted(SETUPTOOLS["packages"], key=lambda name: -len(folder_of(name).parts))
    seen = set()
    for package in packages:
        for path in sorted(folder_of(package).rglob("*")):
            within = path.relative_to(folder_of(package))
            if path.is_file() and path not in seen and not re.search(r"(^|/)[._][a-z_]*cache", within.as_posix()):
                seen.add(path)
                if path.suffix != ".py":
                    yield package, within


def test_every_data_file_is_declared():
    matched = {
        (package, path)
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in (p.relative_to(folder_of(package)) for p in folder_of(package).glob(pattern) if p.is_file())
    }
    found = list(data_files())
    assert ("gonerd.annotation_guidelines", Path("gonerd.toml")) in found
    assert not [f"{package}: {path}" for package, path in found if (package, path) not in matched]


def test_no_python_file_lies_outside_a_package():
    packages = {folder_of(name) for name in SETUPTOOLS["packages"]}
    lost = [path for path in (CHECKOUT / "gonerd").rglob("*.py") if path.parent not in packages]
    assert not lost


def test_the_version_has_one_value():
    assert gonerd.__version__ == PYPROJECT["project"]["version"]
    assert importlib.metadata.version("gonerd") == gonerd.__version__


def test_the_pythons_declared_agree():
    minors = re.findall(r"3 :: Only|3\.(\d+)", " ".join(PYPROJECT["project"]["classifiers"]))
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"]).groups()
    assert [int(minor) for minor in minors] == list(range(int(low), int(high)))


def names_of(requirements):
    return {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements}


def test_every_module_of_an_extra_is_known_with_the_extra_that_brings_it():
    extras = PYPROJECT["project"]["optional-dependencies"]
    for module, extra in EXTRAS.items():
        given = names_of(extras[extra])
        assert DISTRIBUTIONS.get(module, module) in given or module == "lxml", f"{module} is not in the extra {extra}"
    known = {DISTRIBUTIONS.get(module, module) for module in EXTRAS}
    for extra in set(extras) - {"all", "cluster", "dev"}:
        assert names_of(extras[extra]) <= known, f"errors.EXTRAS lacks modules of the extra {extra}"


def test_the_extra_all_is_everything_but_cluster_and_dev():
    extras = PYPROJECT["project"]["optional-dependencies"]
    (every,) = extras["all"]
    named = re.fullmatch(r"gonerd\[(.*)\]", every).group(1).split(",")
    assert set(named) == set(extras) - {"all", "cluster", "dev"}


def test_the_bare_install_pulls_neither_torch_nor_spacy():
    assert not names_of(PYPROJECT["project"]["dependencies"]) & {"torch", "spacy", "transformers"}


def imported_at_the_top(path):
    """The packages that a file needs as soon as it is imported."""
    waiting = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
            waiting += node.body


def test_the_hall_and_the_command_line_need_only_the_bare_install():
    files = [*(CHECKOUT / "gonerd").glob("*.py"), *(CHECKOUT / "gonerd" / "cli").glob("*.py")]
    allowed = {*sys.stdlib_module_names, "gonerd", *names_of(PYPROJECT["project"]["dependencies"])}
    wrong = {(path.name, name) for path in files for name in imported_at_the_top(path) if name not in allowed}
    assert not wrong


@pytest.mark.parametrize("name", ["annotation_guidelines", "sample", "hub_card"])
def test_the_folders_of_package_data_are_found(name):
    assert (folder(name) / "__init__.py").is_file()


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data_and_no_tests(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"gonerd"}
    assert not [name for name in names if re.search(r"(^|/)(tests?|benchmarks|docs)/|test_|conftest", name)]
    expected = {f"{package.replace('.', '/')}/{path.as_posix()}" for package, path in data_files()}
    assert expected <= set(names)
    assert "gonerd/annotation_guidelines/gonerd.toml" in names
    assert any(name.startswith("gonerd/sample/site/") and name.endswith(".html") for name in names)
    assert any(name.startswith("gonerd/hub_card/") and name.endswith(".md") for name in names)
