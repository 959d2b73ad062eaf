"""Three tables."""

from django.db import migrations, models


def _table(number: int) -> migrations.CreateModel:
    key = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")
    return migrations.CreateModel(f"Thing{number}", [("id", key), ("name", models.CharField(max_length=20))])


class Migration(migrations.Migration):
    """What every tenant begins with."""

    operations = [_table(number) for number in range(3)]
