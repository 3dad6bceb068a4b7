"""What the log's own codes are called on pages."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.kinds import Kind
from audit.relations import Relation

KINDS: Final[dict[str, Promise]] = {
    Kind.LISTED: _("saw in a list"),
    Kind.MATCHED: _("compared in a search"),
    Kind.VIEWED: _("looked at"),
    Kind.REVEALED: _("had shown in full"),
    Kind.PLAYED: _("played"),
    Kind.EXPORTED: _("exported"),
    Kind.PRINTED: _("printed"),
    Kind.COMPUTED: _("computed with"),
}
RELATIONS: Final[dict[str, Promise]] = {
    Relation.OWN: _("cares for this person"),
    Relation.TEAM: _("of the care team"),
    Relation.NONE: _("does not care for this person"),
    Relation.BREAK_GLASS: _("in an emergency, without being of the care team"),
    Relation.SELF: _("the person"),
    Relation.PROXY: _("somebody the person chose"),
    Relation.SYSTEM: _("the system"),
}
RESULTS: Final[dict[str, Promise]] = {
    "ok": _("done"),
    "refused": _("refused"),
    "rolled_back": _("broken off, nothing was changed"),
}
EVERYDAY: Final[dict[str, Promise]] = {"create": _("created"), "update": _("changed"), "delete": _("deleted")}
"""The deeds of django-auditlog's registry; what was created, changed or deleted is told beside it."""
