"""One person responsible in each part, charts opened in an emergency, watched charts, and the newest rights in their order.

The row log names columns one by one, so a table with new ones is watched anew.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import crypto.fields
import crypto.ids

# Whoever was "responsible" so far was a health manager.
ONE_RESPONSIBLE = "UPDATE patients_carerelationship SET role = 'manager' WHERE role = 'responsible'"

BORDER = """
SELECT zhizhi_clinic_only('patients_breakglass');
SELECT zhizhi_same_clinic('patients_breakglass', 'patient_id', 'patients_patient');
SELECT crypto_sealed_row('patients_breakglass');
SELECT audit_watch('patients_breakglass');
SELECT audit_watch('patients_patient');
"""

# The definition of 0002, with its fourth source.
WANTED = """
CREATE OR REPLACE VIEW patient_access_wanted WITH (security_invoker = true) AS
SELECT p.clinic_id, coalesce(c.staff_id, c.team_id) AS grantee, p.created_at, p.id AS patient_id,
       1::smallint AS source, c.id AS source_id, c.valid_from, coalesce(c.valid_until, 'infinity') AS valid_until
  FROM patients_carerelationship c JOIN patients_patient p ON p.id = c.patient_id WHERE p.restricted_at IS NULL
UNION ALL
SELECT p.clinic_id, g.user_id, p.created_at, p.id,
       2::smallint, g.id, g.granted_at, coalesce(g.valid_until, 'infinity')
  FROM patients_patientuserobjectpermission g
  JOIN patients_patient p ON p.id = g.content_object_id
  JOIN auth_permission m ON m.id = g.permission_id AND m.codename = 'view_patient'
 WHERE p.restricted_at IS NULL
UNION ALL
SELECT p.clinic_id, ('00000000-0000-0000-0000-' || lpad(to_hex(g.group_id), 12, '0'))::uuid, p.created_at, p.id,
       3::smallint, g.id, g.granted_at, coalesce(g.valid_until, 'infinity')
  FROM patients_patientgroupobjectpermission g
  JOIN patients_patient p ON p.id = g.content_object_id
  JOIN auth_permission m ON m.id = g.permission_id AND m.codename = 'view_patient'
 WHERE p.restricted_at IS NULL
UNION ALL
SELECT p.clinic_id, b.user_id, p.created_at, p.id, 4::smallint, b.id, b.opened_at, b.valid_until
  FROM patients_breakglass b JOIN patients_patient p ON p.id = b.patient_id WHERE p.restricted_at IS NULL;
"""

KEEP = """
CREATE FUNCTION patient_access_from_glass() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM public.patient_access a USING old_rows o
     WHERE a.patient_id = o.patient_id AND a.source = 4 AND a.source_id = o.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO public.patient_access
           (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
    SELECT w.clinic_id, w.grantee, w.created_at, w.patient_id, w.source, w.source_id, w.valid_from, w.valid_until
      FROM public.patient_access_wanted w JOIN new_rows n ON w.source = 4 AND w.source_id = n.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_access_insert AFTER INSERT ON patients_breakglass
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_glass();
CREATE TRIGGER keep_access_update AFTER UPDATE ON patients_breakglass
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_glass();
CREATE TRIGGER keep_access_delete AFTER DELETE ON patients_breakglass
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_glass();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0004_lasting_teams"),
        ("patients", "0004_people_with_tokens"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BreakGlass",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(editable=False)),
                ("sealed_by_clinic", models.UUIDField(editable=False)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("emergency", "Emergency"),
                            ("present", "The person is here and nobody of their team is"),
                            ("critical", "A critical result that nobody of their team can tell"),
                            ("safety", "Danger to the person or to others"),
                        ],
                        max_length=9,
                        verbose_name="reason",
                    ),
                ),
                (
                    "note",
                    crypto.fields.SealedText(
                        aad_name="break_glass.note", field_set="log", scope=2, verbose_name="what happened"
                    ),
                ),
                ("opened_at", models.DateTimeField(verbose_name="opened at")),
                ("valid_until", models.DateTimeField(verbose_name="valid until")),
                ("review_due_on", models.DateField(verbose_name="to be reviewed by")),
                (
                    "finding",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("justified", "It was justified"),
                            ("not_justified", "It was not justified"),
                        ],
                        max_length=13,
                        verbose_name="finding",
                    ),
                ),
                ("reviewed_at", models.DateTimeField(blank=True, null=True, verbose_name="reviewed at")),
            ],
            options={
                "verbose_name": "emergency opening",
                "verbose_name_plural": "emergency openings",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reason__in", ["emergency", "present", "critical", "safety"])),
                        name="glass_reason_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("valid_until__gt", models.F("opened_at"))),
                        name="glass_ends_after_it_begins",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="carerelationship",
            name="care_role_known",
        ),
        migrations.RunSQL(ONE_RESPONSIBLE, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="patient",
            name="watched",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Everybody who opens the chart is told to the privacy officer.",
                verbose_name="watched",
            ),
        ),
        migrations.AddField(
            model_name="patient",
            name="watched_for",
            field=crypto.fields.SealedParts(
                aad_name="patient.watched_for",
                editable=False,
                null=True,
                parts={"colleague": "identity", "well_known": "identity"},
                scope=1,
                verbose_name="watched because",
            ),
        ),
        migrations.AlterField(
            model_name="carerelationship",
            name="role",
            field=models.CharField(
                choices=[
                    ("opener", "Opened the card"),
                    ("doctor", "Responsible doctor"),
                    ("manager", "Responsible health manager"),
                    ("care_team", "Care team"),
                    ("covering", "Covering for a colleague"),
                ],
                max_length=12,
                verbose_name="role",
            ),
        ),
        migrations.AlterField(
            model_name="patientaccess",
            name="source",
            field=models.PositiveSmallIntegerField(
                choices=[
                    (1, "Care relationship"),
                    (2, "Opened to a person"),
                    (3, "Opened to a group"),
                    (4, "Opened in an emergency"),
                ]
            ),
        ),
        migrations.AddIndex(
            model_name="patientaccess",
            index=models.Index(
                fields=["clinic", "created_at", "patient"],
                include=("grantee", "valid_from", "valid_until"),
                name="patient_access_newest",
            ),
        ),
        migrations.AddConstraint(
            model_name="carerelationship",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["opener", "doctor", "manager", "care_team", "covering"])),
                name="care_role_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="carerelationship",
            constraint=models.UniqueConstraint(
                condition=models.Q(("role__in", ("doctor", "manager")), ("valid_until", None)),
                fields=("patient", "role"),
                name="care_by_one_at_a_time",
            ),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="clinic",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clinics.clinic",
                verbose_name="clinic",
            ),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="patient",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="emergency_openings",
                to="patients.patient",
                verbose_name="patient",
            ),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="reviewed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="reviewed by",
            ),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="account",
            ),
        ),
        migrations.AddIndex(
            model_name="breakglass",
            index=models.Index(
                condition=models.Q(("finding", "")),
                fields=["clinic", "review_due_on"],
                name="glass_to_review",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finding", ""), ("reviewed_at", None), ("reviewed_by", None)),
                    models.Q(
                        ("finding__in", ["justified", "not_justified"]),
                        ("reviewed_at__isnull", False),
                        ("reviewed_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="glass_reviewed_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reviewed_by", None),
                    models.Q(("reviewed_by", models.F("user")), _negated=True),
                    _connector="OR",
                ),
                name="glass_reviewed_by_another",
            ),
        ),
        migrations.RunSQL(BORDER),
        migrations.RunSQL(WANTED),
        migrations.RunSQL(KEEP),
    ]
