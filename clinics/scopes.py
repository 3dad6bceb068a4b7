"""What a token may do, in the words machines ask with; each word rests on a permission of the account behind it."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from clinics.roles import Permission


class ApiScope(TextChoices):
    """A resource and what is done with it. A token has some of them; a browser's session has all of its person's."""

    PATIENTS_READ = "patients:read", _("Find patients and read their cards, masked")
    PATIENTS_REVEAL = "patients:reveal", _("Read one masked value in full, for a reason")
    PATIENTS_WRITE = "patients:write", _("Open cards and change phone and e-mail")
    OBSERVATIONS_READ = "observations:read", _("Read results")
    OBSERVATIONS_WRITE = "observations:write", _("File results")
    FOLLOW_UPS_READ = "follow-ups:read", _("Read to-dos")
    FOLLOW_UPS_WRITE = "follow-ups:write", _("Take to-dos and write down what came of them")
    CONSENTS_READ = "consents:read", _("Read what is allowed")
    CONSENTS_WRITE = "consents:write", _("Record and withdraw permissions")
    EVENTS_READ = "events:read", _("Read the log")

    @property
    def permission(self) -> Permission:
        """What the account must be allowed, whatever its token says."""
        return _RESTS_ON[self]


_RESTS_ON = {
    ApiScope.PATIENTS_READ: Permission.SEE_PATIENTS,
    ApiScope.PATIENTS_REVEAL: Permission.REVEAL_IDENTITY,
    ApiScope.PATIENTS_WRITE: Permission.OPEN_CARD,
    ApiScope.OBSERVATIONS_READ: Permission.SEE_RESULTS,
    ApiScope.OBSERVATIONS_WRITE: Permission.IMPORT_REPORTS,
    ApiScope.FOLLOW_UPS_READ: Permission.WORK_FOLLOWUPS,
    ApiScope.FOLLOW_UPS_WRITE: Permission.WORK_FOLLOWUPS,
    ApiScope.CONSENTS_READ: Permission.SEE_PATIENTS,
    ApiScope.CONSENTS_WRITE: Permission.RECORD_CONSENT,
    ApiScope.EVENTS_READ: Permission.SEE_LOG,
}


def words_of(text: str) -> frozenset[str]:
    """The words of a column that holds several of a fixed list, with a space between."""
    return frozenset(text.split())


def text_of(words: set[str] | frozenset[str]) -> str:
    return " ".join(sorted(words))
