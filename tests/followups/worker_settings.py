"""Settings of a real worker in a test: the test's own database and queue, and a carrier that writes down what it took."""

import os

from config.settings.test import *  # noqa: F403

SMS_CARRIER = "tests.followups.noting_carrier.NotingCarrier"
MESSAGES_AT_ANY_HOUR = True
CELERY_TASK_DEFAULT_QUEUE = os.environ["TEST_QUEUE"]
