"""Every template compiles, every icon it names exists, and no template carries an inline style or script."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines
from django.template.loader import get_template

from desk.forms import RevealForm
from desk.templatetags.components import MARK_TONES, flag, icon, mark, tone
from desk.templatetags.drawings import drawing
from patients.choices import RevealReason

FOLDER = Path(settings.BASE_DIR) / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))
TAKEN_ALONG = {
    "exchange/copy.html"
}  # a file, not a page: it brings its own style, for it is read without a network
SENT_BY_MAIL = {
    "portal/stop.html"
}  # its link is the authority: it takes no token, and knows no clinic of staff
FORMS = re.compile(r"<form\b.*?</form>", re.DOTALL | re.IGNORECASE)
TOKEN = re.compile(r"{% csrf_token %}|{% include \"portal/_about\.html\" %}")
CHANGES = re.compile(r"<form\b[^>]*\bmethod=(?![\"']?get\b)", re.IGNORECASE)
ICONS = re.compile(r"{%\s*(icon|portal_icon)\s+\"([\w-]+)\"")


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles(name: str) -> None:
    assert get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_names_only_icons_that_exist(name: str) -> None:
    for kind, symbol in ICONS.findall((FOLDER / name).read_text(encoding="utf-8")):
        assert drawing(f"portal/{symbol}" if kind == "portal_icon" else symbol)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_obeys_the_content_policy(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")

    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "<style" not in text or name in TAKEN_ALONG
    assert all("#}" in line for line in text.splitlines() if "{#" in line)  # else people read the comment


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_form_carries_the_token_and_with_it_the_clinic_it_was_made_for(name: str) -> None:
    for form in FORMS.findall((FOLDER / name).read_text(encoding="utf-8")):
        assert TOKEN.search(form) or not CHANGES.match(form) or name in SENT_BY_MAIL


def test_an_unknown_icon_is_refused() -> None:
    with pytest.raises(LookupError):
        icon("no-such-icon")


def test_an_icon_is_silent_unless_it_has_a_name() -> None:
    assert 'aria-hidden="true"' in icon("phone")
    assert 'role="img" aria-label="Call"' in icon("phone", label="Call")


def test_every_mark_has_a_shape_and_a_tone() -> None:
    for name in MARK_TONES:
        assert f"is-{MARK_TONES[name]}" in mark(name)


def test_an_arrow_speaks_and_a_value_in_range_has_none() -> None:
    assert "aria-label=" in flag("critical_high")
    assert flag("normal") == flag("") == ""


@pytest.mark.parametrize(
    ("state", "said"),
    [("granted", "ok"), ("withdrawn", "off"), ("critical_high", "danger"), ("no such state", "")],
)
def test_a_state_has_a_tone(state: str, said: str) -> None:
    assert tone(state) == said


def test_the_components_show_a_forms_errors_beside_the_field_and_in_a_summary_that_takes_focus() -> None:
    form = RevealForm({"part": "phone"})
    template = engines["django"].from_string(
        '{% include "components/form_errors.html" %}{% include "components/field.html" with field=form.reason %}'
    )
    text = template.render({"form": form})

    assert "data-focus" in text
    assert 'id="id_reason_error"' in text
    assert text.count('class="zz-choice"') == len(RevealReason)
