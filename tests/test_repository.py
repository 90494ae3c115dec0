"""The repository audits itself: what is built is documented and tested, what is written is true."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from steelyard.analysis.metrics.reference import markdown
from steelyard.analysis.metrics.registry import METRICS
from steelyard.cli.main import cli
from steelyard.domain.caution import POLLUTING
from steelyard.domain.errors import SteelyardError

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRY_POINTS = PROJECT["project"]["entry-points"]
OWN = ("src", "tests", "docs", "benchmarks", "changelog.d", ".ci")
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".json", ".c", ".html", ""}

# The warning is about how the door is dressed; what is asked here is whether it can be used.
pytestmark = pytest.mark.filterwarnings("ignore:.use_markdown:PendingDeprecationWarning")

KINDS = {"added", "changed", "fixed", "removed", "numbers"}
# In two pieces each, so that this file does not name what it looks for.
REGISTRIES = (
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("registry.npm", "js.org"),
    ("download.py", "torch.org"),
    ("anaconda", ".org"),
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def own_files() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in OWN:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("engine", sorted(ENTRY_POINTS["steelyard.engines"]))
def test_every_engine_has_a_page_and_a_test(engine: str) -> None:
    assert (DOCS / "engines" / f"{engine}.md").is_file()
    one = ROOT / "tests" / "engines" / f"test_{engine}.py"
    many = ROOT / "tests" / engine
    assert one.is_file() or list(many.glob("test_*.py"))


def test_every_entry_point_leads_to_something_that_exists() -> None:
    for group in ENTRY_POINTS.values():
        for target in group.values():
            module, _, name = target.partition(":")
            assert hasattr(importlib.import_module(module), name), target


def test_the_metric_page_is_what_the_registry_says() -> None:
    page = (DOCS / "reference" / "metrics.md").read_text()
    assert page == markdown()
    assert [name for name in METRICS if f"(`{name}`)" not in page] == []


def test_every_reason_for_pollution_is_explained() -> None:
    page = (DOCS / "explanation" / "run-quality.md").read_text()
    assert sorted(code for code in POLLUTING if f"`{code}`" not in page) == []


def test_decisions_are_numbered_without_a_gap_and_say_problem_choice_cost_and_guard() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    assert len(pages) >= 5
    for page in pages:
        headings = re.findall(r"^##? (.+)$", page.read_text(), re.MULTILINE)
        assert headings[0].startswith(page.name[:4])
        assert headings[1:] == ["Problem", "Choice", "Cost", "Where it is enforced"], page.name


def test_changelog_fragments_have_a_slug_a_known_kind_and_something_to_say() -> None:
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name[0] != "."]
    assert fragments
    for path in fragments:
        match = re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*\.([a-z]+)\.md", path.name)
        assert match, path.name
        assert match[1] in KINDS, path.name
        assert len(path.read_text().split()) >= 5, path.name


def test_no_file_names_the_host_of_a_package_registry() -> None:
    hosts = ["".join(pieces).encode() for pieces in REGISTRIES]
    guilty = [
        f"{named(path)}: {host.decode()}"
        for path in own_files()
        if path.suffix in TEXT
        for host in hosts
        if host in path.read_bytes()
    ]
    assert guilty == []


def test_no_source_file_is_over_its_ceiling() -> None:
    spec = importlib.util.spec_from_file_location("check", ROOT / "check.py")
    assert spec is not None
    assert spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    assert check.SOURCE_CEILING == 600
    assert check.oversized() == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "helpers", "manager", "common", "base"}
    assert [named(p) for p in (ROOT / "src").rglob("*.py") if p.stem in empty] == []


def test_the_licence_is_there_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                yield page, target


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{named(page)}: {target}"
        for page, target in links()
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_site_has_every_page_once() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    there = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    assert sorted(listed) == sorted(there)


def commands(text: str) -> Iterator[str]:
    """Yield what a reader would type: lines of code blocks, and code in a sentence."""
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [*lines, *(" ".join(span.split()) for span in spans)]:
        words = re.sub(r"^(\.venv/bin/steelyard|python3 start\.py)\b", "steelyard", line)
        # Brackets and alternatives are a synopsis, not something to type.
        if words.startswith("steelyard ") and not re.search(r"[\[\]|{}]", words.split("#")[0]):
            yield words


def hints() -> Iterator[tuple[str, str]]:
    """Yield the commands that error messages and docstrings tell people to type."""
    for path in (ROOT / "src").rglob("*.py"):
        joined = re.sub(r'"\s*\n\s*f?"', "", path.read_text())
        for command in re.findall(r"`(steelyard [a-z][^`]*)`", joined):
            # What is filled in at run time stands for itself.
            filled = re.sub(r"\{[^}]*\}", "X", " ".join(command.split()))
            if not re.search(r"[\[\]|]", filled):
                yield named(path), filled


def typed() -> list[tuple[str, str]]:
    found = [(named(page), line) for page in PAGES for line in commands(page.read_text())]
    return sorted({*found, *hints()})


def parse(line: str) -> None:
    """Read a command line as the real door does, and run nothing."""
    words = shlex.split(re.split(r" [>&] ?| #", line)[0])[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="steelyard")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words == ["…"]:
            return
        name, below, words = command.resolve_command(context, words)
        assert below is not None, f"there is no command {name!r}"
        command = below
        context = click.Context(command, parent=context, info_name=name)
    if not words or (words == ["…"] and isinstance(command, click.Group)):
        return  # the command's name, not a line to type
    command.make_context(context.info_name, [word for word in words if word != "…"], context.parent)


@pytest.mark.parametrize(("page", "line"), typed())
def test_every_command_that_a_page_or_a_hint_names_can_be_typed(page: str, line: str) -> None:
    if line.split()[:2] in (["steelyard", "check"], ["steelyard", "…"]):
        return  # start.py's own word, and "any command"
    try:
        parse(line)
    except click.exceptions.Exit:
        return
    except (click.ClickException, SteelyardError) as error:
        pytest.fail(f"{page}: {line}: {error}")


def test_a_command_that_does_not_exist_would_be_found() -> None:
    with pytest.raises((AssertionError, SteelyardError, click.ClickException)):
        parse("steelyard weigh")
    with pytest.raises(click.ClickException):
        parse("steelyard sweep --no-such-option")


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=words[-1] if words else "steelyard")
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*words, name))


@pytest.mark.parametrize("words", list(walk(cli, ())), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    from click.testing import CliRunner

    result = CliRunner().invoke(cli, [*words, "--help"])
    assert result.exit_code == 0
    assert len(result.output.split()) > 10
