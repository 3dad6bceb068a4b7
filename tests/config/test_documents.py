"""What the documents tell people to type exists, and where they point is a page."""

import importlib.util
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from exchange.demo.house import ACCOUNTS, CLINICS, PASSWORD

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
)
every_document = pytest.mark.parametrize("document", DOCUMENTS)


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


@every_document
def test_every_make_target_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(
        re.findall(
            r"`(?:[A-Z_]+=\S+ )?make ([a-z0-9-]+)`|^make ([a-z0-9-]+)", text_of(document), re.MULTILINE
        )
    ) <= {pair for target in targets for pair in ((target, ""), ("", target))}


@every_document
def test_every_management_command_exists(document: str) -> None:
    assert set(re.findall(r"manage\.py ([a-z_]+)", text_of(document))) <= set(get_commands())


@every_document
def test_every_module_to_run_exists(document: str) -> None:
    for module in re.findall(r"python3? -m ([a-z_.]+)", text_of(document)):
        assert importlib.util.find_spec(module), module


@every_document
def test_every_script_to_run_exists(document: str) -> None:
    for script in re.findall(r"python3 ([a-z_/]+\.py)", text_of(document)):
        assert (ROOT / script).is_file(), script


@every_document
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(document)) + re.findall(
        r'src="([^":]+)"', text_of(document)
    ):
        assert ((ROOT / document).parent / target).exists(), target


@pytest.mark.parametrize("readme", READMES)
def test_the_demos_accounts_are_the_ones_that_are_made(readme: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| [^|]+ \| ([^|]+) \|$", text_of(readme), re.MULTILINE)
    made: dict[str, tuple[str, set[str]]] = {}
    for account in ACCOUNTS:
        made.setdefault(account.username, (account.name, set()))[1].add(account.clinic)
    places = {"城东": "chengdong", "城西": "chengxi"}
    told = {
        username: (name, {places[place] for place in re.split("[,、] ?", clinics.strip())})
        for username, name, clinics in rows
    }
    assert told == made
    assert PASSWORD in text_of(readme)
    assert all(f"/p/{code}/" in text_of(readme) for code in CLINICS)


def test_both_readmes_say_the_same_things() -> None:
    english, chinese = (text_of(readme) for readme in READMES)
    for sign in (r"^#", r"^\|", r"^```", r"\]\("):
        assert len(re.findall(sign, english, re.MULTILINE)) == len(re.findall(sign, chinese, re.MULTILINE)), (
            sign
        )


def test_every_decision_is_numbered_and_says_whether_it_holds() -> None:
    papers = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(paper.name[:4]) for paper in papers] == list(range(1, len(papers) + 1))
    for paper in papers:
        text = paper.read_text()
        assert re.match(rf"# {paper.name[:4]}\. .+ \((accepted|superseded by \d{{4}})\)\n", text), paper.name
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), paper.name


def test_the_variables_of_the_operations_page_are_read_by_the_settings() -> None:
    code = "".join(path.read_text() for path in (ROOT / "config").rglob("*.py"))
    told = re.findall(r"^\| (`[A-Z_`, ]+`) \|", text_of("docs/operations.md"), re.MULTILINE)
    for name in re.findall(r"[A-Z_]+", " ".join(told)):
        assert f'"{name}"' in code, name
