"""A new field in each of the three tables: what is measured."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column with a default."""

    dependencies = [("things", "0001_initial")]
    operations = [migrations.AddField(f"thing{n}", "size", models.IntegerField(default=1)) for n in range(3)]
