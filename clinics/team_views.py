"""Care teams: what the clinic manager sees and changes. Nothing of a patient stands on these pages."""

from datetime import datetime, time
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from clinics.forms import MemberForm, TeamForm
from clinics.guards import ClinicRequest, staff_page
from clinics.models import TeamMember, holds_at
from clinics.roles import Permission
from clinics.services import join_team
from clinics.staffing import (
    dissolve_team,
    member_of_staff,
    open_team,
    staff_of,
    take_out_of_team,
    team_of_clinic,
    teams_of_clinic,
)


@staff_page(None, permission=Permission.MANAGE_TEAMS)
@require_http_methods(["GET", "HEAD", "POST"])
def teams(request: ClinicRequest) -> HttpResponse:
    """The care teams of the clinic and who is in them; open another one. Raises TeamNameTaken."""
    at, clinic_id = timezone.now(), request.clinic.pk
    form = TeamForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        team = open_team(clinic_id, form.cleaned_data["name"], at=at)
        return redirect("clinics:team", team_id=team.pk)
    alive = list(teams_of_clinic(clinic_id, at))
    members = TeamMember.objects.filter(holds_at(at), team__in=alive, user__is_active=True)
    names: dict[UUID, list[str]] = {}
    for member in members.select_related("user").order_by("user__display_name"):
        names.setdefault(member.team_id, []).append(member.user.get_full_name())
    shown = [(team, names.get(team.pk, [])) for team in alive]
    return render(request, "clinics/teams.html", {"teams": shown, "form": form})


@staff_page(None, permission=Permission.MANAGE_TEAMS)
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: ClinicRequest, team_id: UUID) -> HttpResponse:
    """One care team: put somebody in, until a day or until further notice. Raises NotOfThisClinic."""
    at, care_team = timezone.now(), team_of_clinic(request.clinic.pk, team_id)
    form = MemberForm(request.POST if request.method == "POST" else None, staff=staff_of(request.clinic.pk))
    if request.method == "POST" and form.is_valid():
        last_on = form.cleaned_data["last_on"]
        until = timezone.make_aware(datetime.combine(last_on, time.max)) if last_on else None
        user = member_of_staff(request.clinic.pk, UUID(form.cleaned_data["user"]))
        join_team(user, care_team, at=at, until=until)
        messages.success(request, _("Written down. It takes effect at once."))
        return redirect("clinics:team", team_id=care_team.pk)
    members = TeamMember.objects.filter(holds_at(at), team=care_team).select_related("user")
    context = {"team": care_team, "form": form, "members": members.order_by("user__display_name", "pk")}
    return render(request, "clinics/team.html", context)


@staff_page(None, permission=Permission.MANAGE_TEAMS)
@require_POST
def leave_team(request: ClinicRequest, team_id: UUID, user_id: UUID) -> HttpResponse:
    """Somebody sees nobody through this team any more."""
    take_out_of_team(team_of_clinic(request.clinic.pk, team_id), user_id, at=timezone.now())
    messages.success(request, _("Written down. It takes effect at once."))
    return redirect("clinics:team", team_id=team_id)


@staff_page(None, permission=Permission.MANAGE_TEAMS)
@require_POST
def dissolve(request: ClinicRequest, team_id: UUID) -> HttpResponse:
    """Nobody sees a patient through this team any more."""
    dissolve_team(team_of_clinic(request.clinic.pk, team_id), at=timezone.now())
    messages.success(request, _("The team is dissolved."))
    return redirect("clinics:teams")
