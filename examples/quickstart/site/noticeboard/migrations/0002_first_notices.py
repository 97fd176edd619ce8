from django.db import migrations

FIRST = [
    ("Found: one grey glove", "Left hand, wool. It waits in the key bowl."),
    ("Welcome", "This board is a Django site with a SQLite database. Pin something below; it will be here when you come back."),
]


def pin(apps, _):
    notice = apps.get_model("noticeboard", "Notice")
    for title, text in FIRST:
        notice.objects.create(title=title, text=text)


class Migration(migrations.Migration):
    dependencies = [("noticeboard", "0001_initial")]
    operations = [migrations.RunPython(pin, migrations.RunPython.noop)]
