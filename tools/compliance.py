"""docs/compliance.md: each requirement with the code that meets it and the tests that prove it; `write` or `check`.

What is required stands in `consent/data/requirements.yaml`; what proves it is found by the marker `requirement` on tests. A requirement that
is not met, or not wholly, says so in the file. `check` fails when the page is not what `write` makes, when a test names a requirement that is
not there, when code that is named is gone, and when a requirement has neither a test nor a word about what is missing.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "docs" / "compliance.md"
FILE = ROOT / "consent" / "data" / "requirements.yaml"
HEAD = """# What is required, where it is met, and what proves it

Made by `python tools/compliance.py write` from `consent/data/requirements.yaml` and the marker `requirement` of the tests; the build fails
when they differ. It is engineering, not legal advice: articles and clauses are to be confirmed by counsel.

PIPL = 个人信息保护法 · NDR = 网络数据安全管理条例 · CSL = 网络安全法 · INC = 国家网络安全事件报告管理办法 · AUD = 个人信息保护合规审计管理办法 ·
GBT = 国家标准 · HIPAA = 45 CFR 164, as a benchmark

**{met} of {all} are met; {partly} in part; {open} not yet.**
"""


def main(task: str) -> int:
    requirements: list[dict[str, Any]] = yaml.safe_load(FILE.read_text("utf-8"))["requirements"]
    proofs = proofs_by_requirement()
    faults = [*_faults(requirements, proofs)]
    text = page(requirements, proofs)
    if task == "write":
        PLACE.write_text(text, "utf-8")
    elif not PLACE.is_file() or PLACE.read_text("utf-8") != text:
        faults.append("docs/compliance.md is not what `python tools/compliance.py write` makes")
    print("\n".join(faults) or f"{len(requirements)} requirements.")
    return 1 if faults else 0


def page(requirements: list[dict[str, Any]], proofs: Mapping[str, list[str]]) -> str:
    states = [state_of(row, proofs) for row in requirements]
    counted = {word: states.count(word) for word in ("met", "partly", "open")}
    lines = [
        HEAD.format(all=len(requirements), **counted),
        "| | Requirement | State | Code | Proved by | Missing |",
        "|---|---|---|---|---|---|",
    ]
    for row, state in zip(requirements, states, strict=True):
        code = "<br>".join(f"`{path}`" for path in row.get("code", ()))
        tests = "<br>".join(f"`{test}`" for test in proofs.get(row["id"], ()))
        lines.append(
            f"| {row['id']} | {row['requires']} | {state} | {code} | {tests} | {row.get('missing', '')} |"
        )
    return "\n".join(lines) + "\n"


def state_of(row: Mapping[str, Any], proofs: Mapping[str, list[str]]) -> str:
    """ "met" with a proof and nothing missing, "partly" with both, "open" without a proof."""
    if row["id"] not in proofs:
        return "open"
    return "partly" if row.get("missing") else "met"


def proofs_by_requirement() -> dict[str, list[str]]:
    """The tests that carry the marker, by what they prove, in the order of their files."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        for name, requirement in _marked(ast.parse(text)) if "mark.requirement" in text else ():
            found.setdefault(requirement, []).append(f"{path.relative_to(ROOT)}::{name}")
    return found


def _marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            for decorator in function.decorator_list:
                if (
                    isinstance(decorator, ast.Call)
                    and ast.unparse(decorator.func) == "pytest.mark.requirement"
                ):
                    for argument in decorator.args:
                        yield function.name, ast.literal_eval(argument)


def _faults(requirements: list[dict[str, Any]], proofs: Mapping[str, list[str]]) -> Iterator[str]:
    known = {row["id"] for row in requirements}
    for strange in sorted(proofs.keys() - known):
        yield f"{proofs[strange][0]} proves {strange}, which nobody requires"
    for row in requirements:
        if row["id"] not in proofs and not row.get("missing"):
            yield f"{row['id']} has neither a proof nor a word about what is missing"
        for path in row.get("code", ()):
            if not (ROOT / path).exists():
                yield f"{row['id']} names {path}, which is not there"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
