"""Clinics, roles and teams are edited here; accounts too. Nothing of a patient stands in these tables."""

import json
from http import HTTPStatus
from typing import Any, TypeVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from audit.wrote import wrote_rows
from clinics.accounts.models import NoticeKind
from clinics.accounts.notices import give_notice
from clinics.models import (
    ApiToken,
    CareTeam,
    Chain,
    Clinic,
    Integration,
    SpecialDay,
    StaffAbsence,
    StaffRole,
    TeamMember,
    User,
)
from clinics.sessions import end_sessions
from clinics.tokens import end_tokens
from crypto.windows import ToldAdmin, Window

_M = TypeVar("_M", bound=Model)


class RecordedAdmin(ToldAdmin[_M]):
    """What is done here is an event of the log as well: Django's own list of changes can be edited by whoever owns it."""

    def log_addition(self, request: HttpRequest, obj: _M, message: Any) -> LogEntry:
        record("admin.added", object=obj)
        return _entry(request, obj, ADDITION, message)

    def log_change(self, request: HttpRequest, obj: _M, message: Any) -> LogEntry:
        record("admin.changed", object=obj)
        return _entry(request, obj, CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[_M]) -> Any:
        """Called before the deed: what goes with it is named as well."""
        for obj in queryset:
            record("admin.deleted", object=obj, wrote=wrote_rows(_gone_with(obj)))
        return [_entry(request, obj, DELETION, "") for obj in queryset]

    def save_formset(
        self, request: HttpRequest, form: ModelForm[_M], formset: BaseModelFormSet[Any, Any], change: bool
    ) -> None:
        """Roles and members are edited inside the page of their account or team."""
        deleted = wrote_rows(row.instance for row in formset.deleted_forms if row.instance.pk)
        super().save_formset(request, form, formset, change)
        saved = [*formset.new_objects, *(row for row, _changes in formset.changed_objects)]
        if rows := [*deleted, *wrote_rows(saved)]:
            record("admin.rows_changed", object=form.instance, wrote=rows)


def _entry(request: HttpRequest, obj: Model, flag: int, message: Any) -> LogEntry:
    """A line of Django's list of changes, with the id where Django would write the name."""
    return LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(obj, for_concrete_model=False),
        object_id=str(obj.pk),
        object_repr=str(obj.pk),
        action_flag=flag,
        change_message=json.dumps(message) if isinstance(message, list) else message,
    )


def _gone_with(obj: Model) -> list[Model]:
    """The rows that are deleted with this one."""
    collector = NestedObjects(using=obj._state.db or DEFAULT_DB_ALIAS)
    collector.collect([obj])
    return [row for rows in collector.data.values() for row in rows]


class StaffRoleInline(admin.TabularInline[StaffRole, User]):
    model = StaffRole
    extra = 0


class TeamMemberInline(admin.TabularInline[TeamMember, CareTeam]):
    model = TeamMember
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(User)
class AccountAdmin(RecordedAdmin[User], UserAdmin[User]):
    list_display = ["username", "display_name", "kind", "is_active", "is_staff"]
    list_filter = ["kind", "is_active", "is_staff"]
    search_fields = ["username", "display_name"]
    ordering = ["username"]
    inlines = [StaffRoleInline]
    fieldsets = [
        (None, {"fields": ["username", "password", "display_name", "kind"]}),
        (_("Rights"), {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
    ]
    add_fieldsets = [
        (
            None,
            {
                "classes": ["wide"],
                "fields": ["username", "display_name", "usable_password", "password1", "password2"],
            },
        )
    ]
    filter_horizontal = ["groups"]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Whoever may no longer come is not left sitting there."""
        super().save_model(request, obj, form, change)
        if change and not obj.is_active:
            end_sessions(obj.pk)
            end_tokens(obj.pk, at=timezone.now())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if any(isinstance(gone, StaffRole) for gone in formset.deleted_objects):
            end_sessions(form.instance.pk)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """A password set here is told to its owner like any other, and whoever was signed in is not any more."""
        response = super().user_change_password(request, id, form_url)
        user = User.objects.filter(pk=id).first()
        if user is not None and request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            give_notice(user, NoticeKind.PASSWORD_CHANGED)
            end_sessions(user.pk, but=request.session.session_key)
        return response


@admin.register(Clinic)
class ClinicAdmin(RecordedAdmin[Clinic]):
    list_display = ["code", "name", "chain", "is_active"]
    list_select_related = ["chain"]
    search_fields = ["code", "name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A clinic needs keys, which `manage.py open_clinic` makes with it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Clinic | None = None) -> bool:
        return False


@admin.register(CareTeam)
class CareTeamAdmin(RecordedAdmin[CareTeam]):
    list_display = ["name", "clinic"]
    search_fields = ["name"]
    list_select_related = ["clinic"]
    list_filter = ["clinic"]
    inlines = [TeamMemberInline]


@admin.register(SpecialDay)
class SpecialDayAdmin(RecordedAdmin[SpecialDay]):
    list_display = ["day", "clinic", "at_work", "name"]
    search_fields = ["name", "=day"]
    list_select_related = ["clinic"]
    list_filter = ["clinic"]
    date_hierarchy = "day"


@admin.register(StaffAbsence)
class StaffAbsenceAdmin(RecordedAdmin[StaffAbsence]):
    list_display = ["user", "clinic", "first_on", "last_on"]
    search_fields = ["user__username", "user__display_name"]
    list_select_related = ["user", "clinic"]
    list_filter = ["clinic"]
    autocomplete_fields = ["user"]


@admin.register(Integration)
class IntegrationWindow(Window[Integration]):
    """Made and ended by the clinic's manager, on their own page."""

    list_display = ["user", "clinic", "scopes", "made_at", "ended_at"]
    search_fields = ["user__username", "user__display_name"]


@admin.register(ApiToken)
class ApiTokenWindow(Window[ApiToken]):
    list_display = ["label", "user", "clinic", "scopes", "expires_at", "ended_at"]
    search_fields = ["=user__username"]


@admin.register(LogEntry)
class LogEntryWindow(Window[LogEntry]):
    list_display = ["action_time", "user", "content_type", "object_id", "action_flag"]
    search_fields = ["=object_id", "=user__username"]
    list_filter = ["action_flag"]


admin.site.unregister(Group)  # Django's own page tells nobody


@admin.register(Group)
class GroupWithRecordAdmin(RecordedAdmin[Group], GroupAdmin):
    """Groups of permissions in Django admin itself; what a role of the clinic may do is data (`clinics.roles`)."""


@admin.register(Chain)
class ChainAdmin(RecordedAdmin[Chain]):
    list_display = ["name"]
    search_fields = ["name"]


# The packages' own windows: nobody edits a second factor, an address or a provider here.
for model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)
