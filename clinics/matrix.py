"""docs/access-matrix.md: what data/roles.yaml says, as a page that a clinic's manager can read and a test can parse."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from clinics.roles import Permission, PermissionRule, Role, RoleRule, permission_rules, role_rules

PLACE: Final = Path(settings.BASE_DIR) / "docs" / "access-matrix.md"
NO: Final = "—"
HEAD: Final = """\
# Who may do what

Made from `clinics/data/roles.yaml` by `manage.py access_matrix`; tests hold file, page and behaviour equal.

A cell says how far the permission goes and which field sets it opens there: **care** means the patients in the person's care, **clinic** every
patient of the clinic, by service number. — means that the page is refused. A patient's own account opens identity, contact, clinical, psychological
and genetic data of the person it belongs to; of this table it has nothing. Nobody sees the patients of a clinic they are not at work in.

The field sets finance (payments, insurance) and marketing (preferences, satisfaction) are opened by no role: Zhizhi keeps nothing in them yet.
A test refuses the first sealed field of a set that no role opens, so whoever adds one says here who may read it.
"""


def page() -> str:
    roles = role_rules()
    lines = [HEAD, *_table(roles), "", "## Field sets of the roles", "", *_field_sets(roles)]
    return "\n".join(lines) + "\n"


def _table(roles: dict[Role, RoleRule]) -> Iterator[str]:
    names = [role.value for role in roles]
    yield f"| resource | action | permission | {' | '.join(names)} |"
    yield "|---|---|---|" + "---|" * len(names)
    for permission, rule in permission_rules().items():
        cells = [_cell(roles[role], permission, rule) for role in roles]
        yield f"| {rule.resource} | {rule.action} | `{permission.value}` | {' | '.join(cells)} |"


def _cell(role: RoleRule, permission: Permission, rule: PermissionRule) -> str:
    reach = role.reach.get(permission)
    if reach is None:
        return NO
    opened = sorted(role.opens & rule.opens)
    return f"{reach.value}: {', '.join(opened)}" if opened else reach.value


def _field_sets(roles: dict[Role, RoleRule]) -> Iterator[str]:
    yield "| role | opens | by service number only |"
    yield "|---|---|---|"
    for role, rule in roles.items():
        alone = "yes" if rule.service_number_only else NO
        yield f"| {role.value} | {', '.join(sorted(rule.opens)) or NO} | {alone} |"
