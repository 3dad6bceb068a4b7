"""Clinics, roles and teams are edited here; accounts too. Nothing of a patient stands in these tables."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.utils.translation import gettext_lazy as _

from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User


class StaffRoleInline(admin.TabularInline[StaffRole, User]):
    model = StaffRole
    extra = 0


class TeamMemberInline(admin.TabularInline[TeamMember, CareTeam]):
    model = TeamMember
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
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


@admin.register(Clinic)
class ClinicAdmin(admin.ModelAdmin[Clinic]):
    list_display = ["code", "name", "chain", "is_active"]
    list_select_related = ["chain"]
    search_fields = ["code", "name"]


@admin.register(CareTeam)
class CareTeamAdmin(admin.ModelAdmin[CareTeam]):
    list_display = ["name", "clinic"]
    list_select_related = ["clinic"]
    list_filter = ["clinic"]
    inlines = [TeamMemberInline]


admin.site.register(Chain)
