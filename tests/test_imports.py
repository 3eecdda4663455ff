"""The house: who may import whom, what is loaded when, and how long anything may be."""

import ast
import statistics
import subprocess
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest

import foils
from foils import registry
from foils.steps import Step

ROOT = Path(foils.__file__).parent
HEAVY = (
    "torch",
    "sentence_transformers",
    "transformers",
    "datasets",
    "numba",
    "sklearn",
    "scipy",
    "bm25s",
    "ray",
    "httpx",
    "vl_convert",
)

# A file imports from its own layer and those below, never upwards. A package stands for all its modules.
LAYERS = {
    0: ["errors"],
    1: ["collection", "pairs", "files", "texts", "grouped"],
    2: ["protocols", "steps", "registry", "engine", "columns", "verdicts"],
    3: [
        "models",
        "sources",
        "make",
        "score",
        "rules",
        "bands",
        "dedup",
        "select",
        "diverse",
        "limits",
        "overlap",
        "neighbours",
        "weigh",
        "detect",
        "evidence",
        "judge",
        "judges",
        "relabel",
        "risk",
        "outcome",
        "ask",
        "doubt",
        "suspects",
    ],
    4: [
        "recipes",
        "recipes_truth",
        "recipe_file",
        "catalogue",
        "run",
        "made",
        "counterparts",
        "making",
        "pairing",
        "offers",
        "recut",
        "compare",
        "desk",
        "judging",
        "promise",
        "folder",
        "ledger",
        "explain",
        "show",
        "readers",
        "writers",
        "quality",
        "eci",
        "spread",
        "report",
        "review",
        "evaluate",
        "probes",
        "audit",
        "train",
    ],
    5: ["cli", "__main__"],
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names}
METHODS = {target.partition(":")[0] for methods in registry.METHODS.values() for target in methods.values()}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("foils", *parts)).removesuffix(".__init__")


FILES = {module(p): p for p in sorted(ROOT.rglob("*.py"))}
files = pytest.mark.parametrize("name", FILES)


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def typing_only(name: str) -> set[ast.AST]:
    """The imports under ``if TYPE_CHECKING``: they are never run."""
    blocks = [
        node
        for node in ast.walk(tree(name))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imports(name: str, *, run: bool = True) -> set[str]:
    """Modules of foils that a module imports, at the top or inside functions."""
    found = set()
    skipped = typing_only(name) if run else set()
    for node in ast.walk(tree(name)):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "foils"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import in line {node.lineno}"
            if (node.module or "").split(".")[0] == "foils":
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (inner & set(FILES)) or {node.module}
    return found


def layer(name: str) -> int:
    if name == "foils":
        return 0
    first = name.split(".")[1]
    assert first in LAYER, f"{name} has no place in the table of layers; give it one"
    return LAYER[first]


@files
def test_no_import_goes_upwards(name):
    upwards = sorted(other for other in imports(name, run=False) if layer(other) > layer(name))
    assert name == "foils" or not upwards


@files
def test_no_method_imports_a_method(name):
    if layer(name) == 3:
        assert not sorted((imports(name) - {name}) & METHODS)


def test_no_import_goes_round():
    done, path = set(), []

    def visit(name):
        assert name not in path, f"a circle of imports: {' > '.join([*path[path.index(name) :], name])}"
        if name in done or name not in FILES:
            return
        path.append(name)
        for other in sorted(imports(name) - {name}):
            visit(other)
        path.pop()
        done.add(name)

    for name in FILES:
        visit(name)


@files
def test_modules_are_loaded_by_name_in_three_places_only(name):
    calls = [
        node
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__")
    ]
    assert (
        not calls
        or name in ("foils", "foils.registry")
        or [ast.unparse(c.args[0]) for c in calls] == ["'foils.readers'"]
    )


@files
def test_no_assert_no_bare_except_no_global(name):
    for node in ast.walk(tree(name)):
        where = f"{FILES[name].name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where}: assert"
        assert not isinstance(node, ast.Global), f"{where}: global"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{where}: bare except"


@files
def test_files_and_functions_are_short(name):
    text = FILES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 50, f"{FILES[name].name}: {node.name} has {length} lines"


@files
def test_importing_only_defines_names(name):
    """At the top of a file: imports, definitions, constants; nothing that does work or prints."""
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in tree(name).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        guard = isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")
        command = name.endswith(("__main__", "cli"))
        assert docstring or guard or command or isinstance(node, allowed), f"{FILES[name].name}:{node.lineno}"


def loaded(statement: str) -> tuple[list[str], float]:
    """Heavy packages that a fresh interpreter has loaded after a statement, and the seconds it took."""
    code = (
        "import sys, time\nstart = time.perf_counter()\n"
        f"{statement}\n"
        "print(time.perf_counter() - start)\n"
        f"print(*[m for m in {(*HEAVY, 'polars')!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, _, names = out.partition("\n")
    return names.split(), float(seconds)


def test_import_foils_is_light_and_fast():
    runs = [loaded("import foils") for _ in range(5)]
    assert all(names == [] for names, _ in runs)
    assert statistics.median(seconds for _, seconds in runs) < 0.5


def test_importing_the_methods_loads_nothing_heavy():
    names, _ = loaded("; ".join(f"import {name}" for name in sorted(METHODS & set(FILES))))
    assert set(names) <= {"polars"}


@pytest.mark.parametrize("name", sorted(set(FILES) & {"foils.cli", "foils.run", "foils.recipes"}))
def test_importing_a_verb_loads_no_framework(name):
    names, _ = loaded(f"import {name}")
    assert not set(names) & {"torch", "sentence_transformers", "transformers", "datasets", "ray"}


def test_public_names_are_sorted_and_there():
    assert foils.__all__ == sorted(foils.__all__)
    assert all(getattr(foils, name) is not None for name in foils.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = foils.nothing


@files
def test_steps_have_few_options(name):
    for node in tree(name).body:
        if isinstance(node, ast.ClassDef):
            cls = getattr(__import__(name, fromlist=[node.name]), node.name)
            if is_dataclass(cls) and issubclass(cls, Step):
                assert len(fields(cls)) <= 8, f"{cls.__name__} has {len(fields(cls))} options"
