"""The house rules that no linter knows: sizes, names, what may be read where, and what may never be written."""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "catalog", "worker", "benchmarks", "migrations", "featurescope.py")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".html", ".css", ".js", ".yml", ".yaml", ".txt", ".sh", ".ini", ".json", ""}
LEFT_OUT = {".git", ".venv", "build", "node_modules", "vendor", "featurescope-data", "assets"}
BAD_STEMS = {"utils", "util", "common", "helpers", "helper", "core", "manager", "misc"}
LINE_WALLS = {"py": 500, "tests": 600, "html": 80, "css": 150, "js": 80}
FUNCTION_WALL = 60
NESTING_WALL = 3
# A path of somebody's own machine, which no reader of the project has.
PRIVATE_PATH = re.compile(r"(?<![\w.~$}/-])/(root|home|Users|work)/\w+")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error")
BLOCKS = (ast.If, ast.For, ast.While, ast.Try, ast.Match)


def files(*suffixes: str) -> list[Path]:
    """Files of the project with these endings, those that are built or vendored left out."""
    return [path for path in _all_files() if path.suffix in suffixes]


def sources() -> list[Path]:
    """The Python files of the project itself, tests apart."""
    return [path for path in files(".py") if path.relative_to(ROOT).parts[0] in PACKAGES]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_stay_under_their_wall():
    long = []
    for path in files(".py", ".html", ".css", ".js"):
        kind = "tests" if path.relative_to(ROOT).parts[0] == "tests" else path.suffix[1:]
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINE_WALLS[kind]:
            long.append(f"{name_of(path)} has {lines} lines, the wall is {LINE_WALLS[kind]}")
    assert not long


def test_functions_stay_under_their_wall():
    long = []
    for path, function in _functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > FUNCTION_WALL:
            long.append(f"{name_of(path)}:{function.lineno} {function.name} has {lines} lines")
    assert not long


def test_blocks_nest_no_deeper_than_three_or_four_in_compiled_loops():
    deep = [
        f"{name_of(path)}:{function.lineno} {function.name} nests {depth} deep"
        for path, function in _functions()
        if (depth := max((_depth(statement) for statement in function.body), default=0))
        > NESTING_WALL + _is_compiled(function)
    ]
    assert not deep


def test_no_file_has_a_name_that_fills_with_anything():
    assert not [name_of(path) for path in files(".py") if path.stem in BAD_STEMS or path.parent.name in BAD_STEMS]


def test_templates_never_switch_escaping_off():
    switch = re.compile(r"\|\s*safe\b|autoescape\s+false|Markup\(")
    assert not [name_of(path) for path in files(".html") if switch.search(path.read_text(encoding="utf-8"))]


def test_templates_hold_no_inline_script_or_style():
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>|<style\b|\sstyle=|\son[a-z]+\s*=", re.IGNORECASE
    )
    assert not [name_of(path) for path in files(".html") if inline.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("rule", [PRIVATE_PATH, UNFINISHED], ids=["a private path", "something unfinished"])
def test_no_text_names(rule: re.Pattern[str]):
    texts = ((path, path.read_text(encoding="utf-8", errors="replace")) for path in files(*TEXT_SUFFIXES))
    assert not [f"{name_of(path)}: {match.group()}" for path, text in texts if (match := rule.search(text))]


def test_nothing_is_unpickled():
    bad = [
        f"{name_of(path)}:{call.lineno}"
        for path in sources()
        for call in _calls(path)
        if _unpickles(ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords})
    ]
    assert not bad


def test_the_environment_is_read_only_in_settings():
    reads = re.compile(r"\bos\.(environ|getenv)\b")
    rooms = [path for path in sources() if path.relative_to(ROOT).parts[0] in ("app", "catalog", "worker")]
    assert not [
        name_of(path) for path in rooms if path.stem != "settings" and reads.search(path.read_text(encoding="utf-8"))
    ]


def test_shapes_in_the_worker_can_be_checked_at_run_time():
    future = "from __future__ import annotations"
    assert not [name_of(path) for path in sources() if future in path.read_text(encoding="utf-8")]


def test_every_folder_of_a_package_says_what_it_is():
    folders = {path.parent for path in sources() if path.parent != ROOT}
    silent = [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not [name for name in silent if not name.startswith("migrations")]


@cache
def _all_files() -> tuple[Path, ...]:
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if not _is_left_out(name)]
        found += [Path(folder) / name for name in names if not _is_left_out(name)]
    return tuple(sorted(found))


def _is_left_out(part: str) -> bool:
    return part in LEFT_OUT or part.endswith(".egg-info") or (part.startswith(".") and part != ".ci")


def _functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in files(".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def _is_compiled(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = {ast.unparse(decorator) for decorator in function.decorator_list}
    return not decorators.isdisjoint({"compiled", "inlined"}) or any("njit" in each for each in decorators)


def _depth(node: ast.AST) -> int:
    """How many blocks lie inside each other; an elif is no deeper than its if."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return 0
    inner = max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        body = max((_depth(child) for child in node.body), default=0)
        return max(body + 1, _depth(node.orelse[0]))
    return inner + isinstance(node, BLOCKS)


def _calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


def _unpickles(function: str, keywords: dict[str, str]) -> bool:
    if function == "torch.load":
        return keywords.get("weights_only") != "True"
    return (
        function.split(".")[0] in ("pickle", "cloudpickle", "dill", "joblib") or keywords.get("allow_pickle") == "True"
    )
