"""Makes the database and its keeper, then serves."""

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "desk.settings"
application = get_wsgi_application()


def prepare():
    from django.contrib.auth.models import User

    call_command("migrate", run_syncdb=True, verbosity=0)
    if not User.objects.filter(username="keeper").exists():
        User.objects.create_superuser("keeper", password="vestibule")


prepare()
