"""The pages of what people are asked for: the registry of purposes, the versions of a notice, and publishing a new one."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.assessments import approved_assessments
from consent.errors import PublishedMeanwhile
from consent.models import ConsentNotice
from consent.notice_forms import LANGUAGES, NoticeForm
from consent.notices import ITEMS, LOCALES
from consent.publishing import draft_of, newest_version, publish_notice, word_changes
from consent.purposes import PurposeRule, rule_of
from consent.shelf import (
    COUNTED_TO,
    asked_again_with,
    purpose_shelf,
    purpose_shelves,
    version_of,
    who_permits,
)


@staff_page(None, permission=Permission.MANAGE_NOTICES)
@require_safe
def purposes(request: ClinicRequest) -> HttpResponse:
    """Every purpose: on which basis, who receives the data, for how long, its notice, and what was weighed."""
    shelves = purpose_shelves(request.clinic, get_language() or LOCALES[0], timezone.now())
    context = {
        "asked": [shelf for shelf in shelves if shelf.rule.needs_consent],
        "unasked": [shelf for shelf in shelves if not shelf.rule.needs_consent],
    }
    return render(request, "consent/purposes.html", context)


@staff_page(None, permission=Permission.MANAGE_NOTICES)
@require_safe
def purpose(request: ClinicRequest, purpose: str) -> HttpResponse:
    """One purpose with every version of its notice. Raises NoSuchPage."""
    rule = _asked(purpose)
    shelf = purpose_shelf(request.clinic, rule.purpose, get_language() or LOCALES[0], timezone.now())
    context = {"shelf": shelf, "rule": rule, "permits": _permits(request, rule), "bound": COUNTED_TO}
    return render(request, "consent/purpose.html", context)


@staff_page(None, permission=Permission.MANAGE_NOTICES)
@require_safe
def version(request: ClinicRequest, purpose: str, version: int) -> HttpResponse:
    """One version, in each language, word for word. Raises NoSuchPage."""
    rule = _asked(purpose)
    notices = version_of(request.clinic, rule.purpose, version, timezone.now())
    if not notices:
        raise NoSuchPage
    shown = [(locale, LANGUAGES[locale], notice, _items(notice)) for locale, notice in notices.items()]
    notice = next(iter(notices.values()))
    is_public = notice.effective_from <= timezone.localdate()
    context = {"rule": rule, "shown": shown, "notice": notice, "is_public": is_public}
    return render(request, "consent/version.html", context)


@staff_page(None, permission=Permission.MANAGE_NOTICES)
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: ClinicRequest, purpose: str) -> HttpResponse:
    """A new version, in three steps on one address: the words, what they change, published. Nothing is kept before the last.

    Raises NoSuchPage, and what `publish_notice` raises.
    """
    rule, at = _asked(purpose), timezone.now()
    approved = list(approved_assessments(request.clinic, [rule.purpose], at))
    if request.method != "POST":
        drafts = {locale: draft_of(request.clinic, rule.purpose, locale) for locale in LOCALES}
        begun = NoticeForm.begun_with(drafts, newest_version(request.clinic, rule.purpose))
        return _words(request, rule, NoticeForm(initial=begun, rule=rule, assessments=approved))
    form = NoticeForm(request.POST, rule=rule, assessments=approved)
    if "change" in request.POST or not form.is_valid():
        return _words(request, rule, form)
    changes = word_changes(request.clinic, rule.purpose, form.texts())
    if not changes:
        form.add_error(
            None, _("No word is changed. A new version says something else than the one before it.")
        )
        return _words(request, rule, form)
    if "publish" not in request.POST:
        return _preview(request, rule, form, changes)
    said = form.cleaned_data
    try:
        publish_notice(
            request.clinic,
            rule.purpose,
            form.texts(),
            effective_from=said["effective_from"],
            material_change=said["material_change"],
            assessment=said["assessment"],
            by=request.actor,
            at=at,
            after=said["after"],
        )
    except PublishedMeanwhile as error:
        form.add_error(None, str(error.message))
        return _words(request, rule, form)
    messages.success(request, _("Published. Anybody may read it from now on."))
    return redirect("consent:purpose", purpose=rule.purpose.value)


def _asked(code: str) -> PurposeRule:
    """The rule of a purpose people are asked about. Raises NoSuchPage for any other word."""
    try:
        rule = rule_of(Purpose(code))
    except ValueError:
        raise NoSuchPage from None
    if not rule.needs_consent:
        raise NoSuchPage
    return rule


def _permits(request: ClinicRequest, rule: PurposeRule) -> int:
    return who_permits(request.clinic, rule.purpose)


def _items(notice: ConsentNotice) -> list[tuple[str, str]]:
    """Under the headings of the notice's own language."""
    with override(notice.locale):
        return [(str(heading), notice.items[code]) for code, heading in ITEMS.items()]


def _words(request: ClinicRequest, rule: PurposeRule, form: NoticeForm) -> HttpResponse:
    return render(request, "consent/publish.html", {"rule": rule, "form": form})


def _preview(request: ClinicRequest, rule: PurposeRule, form: NoticeForm, changes: Any) -> HttpResponse:
    """What would change, and what a material change would cause, before anything is published."""
    context = {
        "rule": rule,
        "form": form,
        "version": form.cleaned_data["after"] + 1,
        "changes": [(name, [c for c in changes if c.locale == locale]) for locale, name in LANGUAGES.items()],
        "permits": _permits(request, rule),
        "bound": COUNTED_TO,
        "with_it": asked_again_with(rule.purpose),
    }
    return render(request, "consent/publish_preview.html", context)
