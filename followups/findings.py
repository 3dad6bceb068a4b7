"""What in a patient's record asks for somebody: fresh critical values, and the tags in force."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q

from crypto.errors import SealBroken
from followups.pathways import Pathway, pathway_book
from patients.models import Patient
from patients.queries import ShownTag
from records.choices import Flag
from records.details import Detail
from records.models import Observation
from records.rules import rule_book

CRITICAL = (Flag.CRITICAL_LOW, Flag.CRITICAL_HIGH)
MOST_FACTS = 8
CLASS_A = "class_A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A reason to put a patient on a pathway. `cause` names it, so that the same reason does it once; `facts` are sealed.

    `late`: the value came long after it was taken. It asks for nothing more where its report has asked already.
    """

    pathway: Pathway
    cause: str
    late: bool = False
    facts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def why(self) -> dict[str, Any]:
        return {"facts": self.facts}


def critical_findings(patient: Patient, at: datetime) -> list[Finding]:
    """One finding for each report and action of its critical values. A value with a later one of its item is history.

    A value that does not open is left out: nobody can be told of it, and its alarm is raised.

    Needs an access scope with clinical data: what is critical in items sealed whole is known only from the inside.
    """
    findings: dict[str, Finding] = {}
    for row, detail in _critical(patient):
        late = row.taken_at <= at - pathway_book().fresh_for
        pathway = pathway_book().of_action(detail.action or CLASS_A, late=late)
        cause = f"report:{row.report_id}"
        finding = findings.setdefault(
            f"{pathway.code} {cause}", Finding(pathway=pathway, cause=cause, late=late)
        )
        if row.indicator and len(finding.facts) < MOST_FACTS:
            finding.facts.append(fact_of(detail))
    return list(findings.values())


def tag_findings(tags: list[ShownTag]) -> list[Finding]:
    """What the tags in force ask for."""
    return [
        Finding(pathway=pathway, cause=f"tag:{tag.id}", facts=list(_facts_of_tag(tag)))
        for tag in tags
        if (pathway := pathway_book().of_tag(tag.code)) is not None
    ]


def action_findings(tags: list[ShownTag], told: list[Finding]) -> list[Finding]:
    """What rules ask a person to do at once, where no single critical value has asked for it."""
    asked = {finding.pathway.code for finding in told}
    findings = []
    for tag in tags:
        rule = rule_book().rules.get(tag.code)
        if rule is None or not rule.action:
            continue
        pathway = pathway_book().of_action(rule.action, late=False)
        if pathway.code not in asked:
            findings.append(Finding(pathway=pathway, cause=f"tag:{tag.id}", facts=list(_facts_of_tag(tag))))
    return findings


def measured_since(patient: Patient, indicator: str, since: datetime) -> bool:
    """Whether a result of this item was taken after that moment."""
    return Observation.objects.filter(patient=patient, indicator=indicator, taken_at__gt=since).exists()


def fact_of(detail: Detail) -> dict[str, Any]:
    """A value as a to-do keeps it."""
    meant = detail.meant
    return {
        "name_zh": meant.name_zh if meant else "",
        "name_en": meant.name_en if meant else "",
        "value": f"{detail.comparator}{detail.value:f}" if detail.value is not None else "",
        "unit": meant.unit if meant else "",
        "flag": detail.flag.value,
    }


def _critical(patient: Patient) -> Iterator[tuple[Observation, Detail]]:
    later = Observation.objects.filter(
        patient=OuterRef("patient"), indicator=OuterRef("indicator"), taken_at__gt=OuterRef("taken_at")
    )
    clear = Q(flag__in=CRITICAL) & ~Exists(later)
    for row in Observation.objects.filter(clear | Q(indicator=""), patient=patient).order_by(
        "-taken_at", "-pk"
    ):
        try:
            detail = Detail(row.detail)
        except SealBroken:
            continue
        if detail.flag.is_critical and not detail.implausible:
            yield row, detail


def _facts_of_tag(tag: ShownTag) -> Iterator[dict[str, Any]]:
    for evidence in tag.facts.get("evidence", ()):
        if not tag.sealed and "value" in evidence:
            yield {key: evidence.get(key, "") for key in ("name_zh", "name_en", "value", "unit")} | {
                "flag": ""
            }
