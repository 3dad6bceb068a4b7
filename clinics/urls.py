from django.urls import path

from clinics import team_views, token_views, views
from clinics.accounts import staff_views
from clinics.accounts import views as account_views

app_name = "clinics"
urlpatterns = [
    path("clinic/switch/", views.switch_clinic, name="switch"),
    path("clinic/accounts/", staff_views.accounts, name="accounts"),
    path("clinic/accounts/link/", staff_views.issue_link, name="issue_link"),
    path("clinic/accounts/factors/", staff_views.remove_factors, name="remove_factors"),
    path("clinic/accounts/sessions/", staff_views.end_sessions, name="end_sessions"),
    path("account/", account_views.account, name="account"),
    path("account/sessions/end/", account_views.end_session, name="end_session"),
    path("account/session/", account_views.session_state, name="session_state"),
    path("account/session/alive/", account_views.still_here, name="still_here"),
    path("account/lock/", account_views.lock, name="lock"),
    path("account/locked/", account_views.locked, name="locked"),
    path("account/unlock/", account_views.unlock, name="unlock"),
    path("account/unlock/passkey/", account_views.unlock_options, name="unlock_options"),
    path("account/language/", account_views.language, name="language"),
    path("account/password/strength/", account_views.password_strength, name="password_strength"),
    path("account/password/reset/", account_views.reset_password, name="reset_password"),
    path("account/password/reset/<slug:token>/", account_views.follow_reset_link, name="follow_reset_link"),
    path("clinic/teams/", team_views.teams, name="teams"),
    path("clinic/teams/<uuid:team_id>/", team_views.team, name="team"),
    path("clinic/teams/<uuid:team_id>/dissolve/", team_views.dissolve, name="dissolve"),
    path("clinic/teams/<uuid:team_id>/<uuid:user_id>/leave/", team_views.leave_team, name="leave_team"),
    path("account/tokens/", token_views.tokens, name="tokens"),
    path("account/tokens/new/", token_views.new_token, name="new_token"),
    path("account/tokens/<uuid:token_id>/end/", token_views.end_own_token, name="end_own_token"),
    path("integrations/", token_views.integrations, name="integrations"),
    path("integrations/<uuid:integration_id>/", token_views.integration, name="integration"),
    path(
        "integrations/<uuid:integration_id>/tokens/new/",
        token_views.new_integration_token,
        name="new_integration_token",
    ),
    path(
        "integrations/<uuid:integration_id>/end/",
        token_views.end_integration_at_once,
        name="end_integration",
    ),
    path("integrations/tokens/<uuid:token_id>/end/", token_views.end_any_token, name="end_any_token"),
]
