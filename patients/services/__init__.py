"""What the clinic does with patients: open a card, care, grant, mark."""

from patients.services.access import (
    begin_care,
    end_care,
    end_look,
    end_portal_access,
    end_portal_sessions,
    end_proxies,
    give_portal_access,
    grant_chart,
    let_look,
    restrict_patient,
)
from patients.services.cards import open_card
from patients.services.contact import change_contact, correct_identity
from patients.services.invitations import (
    confirm_invitation,
    forget_old_invitations,
    has_phone_alone,
    invitation_of,
    invite_to_portal,
    redeem_invitation,
    waiting_invitation,
)
from patients.services.searching import count_search
from patients.services.tags import TagDefinition, end_rule_tag, end_rule_tags, set_rule_tag
from patients.services.tokens import drop_old_tokens, rebuild_tokens

__all__ = [
    "TagDefinition",
    "begin_care",
    "change_contact",
    "confirm_invitation",
    "correct_identity",
    "count_search",
    "drop_old_tokens",
    "end_care",
    "end_look",
    "end_portal_access",
    "end_portal_sessions",
    "end_proxies",
    "end_rule_tag",
    "end_rule_tags",
    "forget_old_invitations",
    "give_portal_access",
    "grant_chart",
    "has_phone_alone",
    "invitation_of",
    "invite_to_portal",
    "let_look",
    "open_card",
    "rebuild_tokens",
    "redeem_invitation",
    "restrict_patient",
    "set_rule_tag",
    "waiting_invitation",
]
