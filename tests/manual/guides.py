"""What the guides speak of and do not show: the project around their blocks, and what must be so afterwards."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.docs import Block
from tests.manual.pages import is_run_elsewhere

SOME_MODELS = """
from django.db import models

from kontract.orm import VersionedModel


class Author(VersionedModel):
    email = models.CharField(max_length=150)

    class Meta:
        db_table = "authors"
"""
ARTICLE = """
from django.db import models


class Article(models.Model):
    name = models.CharField(max_length=100, unique=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
"""


STARTED = """
import psycopg
place = DATABASES["default"]
with psycopg.connect(dbname=place["NAME"], host=place["HOST"], port=place["PORT"], user=place["USER"]) as connection:
    assert connection.execute("SELECT 1").fetchone() == (1,)
"""
VALID_SETTINGS = """
from django.core.management import call_command
from django.test import override_settings

with override_settings(KONTRACT=KONTRACT):
    call_command("check")
"""
ADMIN = """
APPS += ["django.contrib.admin", "django.contrib.messages", "django.contrib.sessions"]
MIDDLEWARE += [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
CONTEXT = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
BACKEND = "django.template.backends.django.DjangoTemplates"
TEMPLATES = [{"BACKEND": BACKEND, "APP_DIRS": True, "OPTIONS": {"context_processors": CONTEXT}}]
"""
LOG_IN = "import kontract\nfrom django.contrib.auth.hashers import check_password\nfrom shop.models import User\n\n\n"
OWN_ADMIN = "from kontract.admin import VersionedAdmin\nclass Own(VersionedAdmin):\n"
MAKE_ALICE = "from django.contrib.auth.models import User\nUser.objects.create(id=7, username='alice')"
HAS_FUNCTION = "$ python manage.py kontract_compile --typescript a.ts && grep -q 'function placeOrder' a.ts"
MAKE_ROLE = "DO $$ BEGIN CREATE ROLE my_app_role LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


@dataclass(frozen=True, kw_only=True)
class Guide:
    """How to follow a page.

    ``files``, ``settings`` (added to these), ``before`` (commands) and ``around`` (a program) come first.  ``first``
    and ``then`` are done before and after the block in which a text is; ``put`` is put in place of texts.
    ``elsewhere`` names the test that does what a block with a text in it shows.
    """

    languages: tuple[str, ...] = ("python", "console")
    files: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    before: tuple[str, ...] = ("manage.py kontract_migrate",)
    around: str = ""
    first: Mapping[str, str] = field(default_factory=dict)
    then: Mapping[str, str] = field(default_factory=dict)
    put: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def rewrite(self, block: Block) -> str | None:
        """Return what to do of a block; None for nothing of it."""
        if any(text in block.text for text in self.elsewhere):
            return None
        text = "".join(line for line in block.text.splitlines(keepends=True) if not is_run_elsewhere(line))
        for old, new in self.put.items():
            text = text.replace(old, new)
        return text or None

    def find(self, pieces: Mapping[str, str], block: Block) -> Iterator[str]:
        """Yield those pieces that belong to a block."""
        return (piece for text, piece in pieces.items() if text in block.text)


CALL = """
from django.test import Client

def call(procedure, /, **arguments):
    response = Client().post(f"/kontract/rpc/{procedure}", {"kwargs": arguments}, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()["result"]
"""
GUIDES: dict[str, Guide] = {
    "docs/existing_project.md": Guide(
        files={"shop/models.py": ARTICLE},
        before=(),
        first={
            "kontract_import": """
                from shop.models import Article
                Article.objects.bulk_create(Article(name=f"bolt {n}", price="1.50") for n in range(3))
                """,
            "kontract_export": """
                from shop.models import Article, VersionedArticle
                assert list(VersionedArticle.objects.values("id", "name", "price")) == list(
                    Article.objects.order_by("id").values("id", "name", "price")
                )
                Article.objects.all().delete()
                """,
        },
        then={
            "def find_articles": CALL + "assert call('find_articles', text='x') == []",
            "class Note(": "",
            "kontract_export": "assert Article.objects.count() == 3",
        },
        put={"manage.py migrate": "manage.py migrate --run-syncdb"},
    ),
    "docs/install.md": Guide(
        before=(),
        first={"embedded.database": 'from tests.docs import ROOT\nBASE_DIR = ROOT / ".pg" / "guides"'},
        then={"embedded.database": STARTED},
    ),
    "docs/shared_database.md": Guide(
        languages=("python", "console", "sql"),
        before=(),
        first={
            "GRANT SELECT": "$ python manage.py kontract_migrate --sql --grants my_app_role > all.sql; "
            f"psql --quiet \"$DATABASE_URL\" -c '{MAKE_ROLE}' -f all.sql"
        },
        then={
            "check --database": "from django.db import connection\n"
            "assert connection.cursor().execute('SELECT current_user').fetchone() == ('my_app_role',)",
            "kontract_vacuum": '$ psql "$DATABASE_URL" -c "DROP OWNED BY my_app_role" -c "DROP ROLE my_app_role"',
        },
    ),
    "docs/deploying.md": Guide(put={"--workers 4": "--workers 1"}),
    "docs/cookbook.md": Guide(
        then={
            "kontract_docs": """
                from pathlib import Path
                assert "It is sent **at once**." in Path("docs/api/procedures/buy.md").read_text()
                """
        }
    ),
    "docs/lazy_routes.md": Guide(
        files={"shop/backend.py": "from kontract import backend\n\n@backend\ndef ping() -> int:\n    return 1\n"},
        then={"--check": CALL + "assert call('ping') == 1"},
    ),
    "docs/clients.md": Guide(languages=("console",)),
    "docs/javascript.md": Guide(languages=("console",)),
    "docs/import_export.md": Guide(
        files={
            "shop/models.py": SOME_MODELS,
            "archive/__init__.py": "",
            "archive/models.py": """
                from django.db import models

                class Author(models.Model):
                    id = models.UUIDField(primary_key=True)
                    mail = models.CharField(max_length=150)
                """,
        },
        settings=('APPS.append("archive")',),
        before=("manage.py migrate --run-syncdb",),
        around="""
            from django.contrib.auth.models import Group
            from kontract import env
            Group.objects.create(name="ada@example.com")
            env.storage.users.set("user-1", {"name": "Ada"})
            """,
        then={"--into": "from archive.models import Author\nassert Author.objects.get().mail == 'ada@example.com'"},
        put={"library.": "shop.", "2026-01-31T12:00:00Z": "$(date -u +%FT%T.%6NZ)"},
    ),
    "docs/indexes.md": Guide(
        languages=("sql", "console"),
        files={"shop/models.py": SOME_MODELS},
        around="import kontract\nfrom kontract import tables\ntables.create_namespace('north')",
    ),
    "docs/tables.md": Guide(
        languages=("sql",), around="from kontract import env\nenv.storage.users.set('user-1', {'name': 'Ada'})"
    ),
    "docs/index.md": Guide(
        then={
            "def rename_user": CALL
            + "from kontract import env\nenv.storage.users.set('u', {})\n"
            + "assert call('rename_user', user_id='u', name='Ada') == {'name': 'Ada'}"
        }
    ),
    "docs/auth.md": Guide(
        files={
            "shop/backend.py": """
                from kontract import backend, ctx

                @backend
                def add_note() -> bool:
                    return ctx.is_anonymous
                """
        },
        first={
            "class CompanyProvider": """
            from types import SimpleNamespace
            def check(ticket): return SimpleNamespace(employee=ticket, email="ada@example.com") if ticket else None
            def is_employed(subject): return True
            def teams_of(subject): return ["staff"]
            """
        },
        then={
            "DjangoUserProvider": VALID_SETTINGS,
            "class CompanyProvider": """
                provider = CompanyProvider()
                assert not provider.authenticate({}, None)
                assert provider.authenticate({"ticket": "t-1"}, None).subject == "t-1"
                assert provider.get_state("t-1").ugroups == {"staff"}
                """,
        },
        put={
            '"9f2c...", ...': '"..."...',
            "json' ...\n": "json' -d '{}'\n",
            "--groups staff\n": "--groups staff --password 'a phrase to sign in with'\n",
        },
    ),
    "docs/admin.md": Guide(
        files={
            "shop/models.py": """
                from django.db import models
                from kontract.orm import VersionedModel

                class Product(VersionedModel):
                    name = models.CharField(max_length=100)
                    price = models.DecimalField(max_digits=8, decimal_places=2)
                """
        },
        settings=(ADMIN,),
        then={
            "list_display": "$ python manage.py check",
            "get_history_fields": """
                from django.contrib import admin
                from django.contrib.auth.models import User
                from django.test import RequestFactory
                from shop.models import Product

                request = RequestFactory().get("/")
                request.user = User(is_superuser=True)
                fields = Own(Product, admin.site).get_history_fields(request, Product(name="bolt", price=1))
                assert {"name", "price", "internal_note"} == {*fields}
                """,
        },
        put={"    def get_history": f"{OWN_ADMIN}    def get_history"},
    ),
    "docs/events.md": Guide(
        then={
            "kontract.feed(": "assert [change.id for change in kontract.feed(tables=['users'])] == ['user-1']",
            "bus.subscribe": """
                import time
                from kontract import env
                heard = []
                bus.subscribe("users", heard.append)
                env.storage.users.set("user-2", {})
                until = time.monotonic() + 10
                while not heard and time.monotonic() < until:
                    time.sleep(0.01)
                assert [change.id for change in heard] == ["user-2"]
                end()
                """,
            '"audit"': VALID_SETTINGS,
            '"direct"': VALID_SETTINGS,
        },
        first={"kontract.feed(": "from kontract import env\nenv.storage.users.set('user-1', {'name': 'Ada'})"},
        put={
            "after=4711, ": "",
            "import kontract\n\n\n@kontract.on_change": "import kontract\nsearch = {}\n\n@kontract.on_change",
            "kontract_consume": "kontract_consume --once",
        },
    ),
    "docs/permissions.md": Guide(
        files={
            "shop/backend.py": "from kontract import backend, env, perms\n",
            "shop/models.py": """
                from django.db import models
                from kontract import perm, perms
                from kontract.orm import VersionedModel

                class Team(VersionedModel):
                    name = models.CharField(max_length=100)
                """,
        },
        before=("manage.py migrate",),
        first={"kontract_explain": MAKE_ALICE},
        put={"@backend(perm=perms.R__)\ndef log_in": f"# backend.py\n{LOG_IN}@backend(perm=perms.R__)\ndef log_in"},
    ),
    "docs/schema_changes.md": Guide(
        languages=("console",),
        files={"shop/models.py": SOME_MODELS, "shop/kontract_migrations/__init__.py": ""},
        put={"create NAME": "create begin --app shop", " [N]": ""},
        first={"after the last old process": "$ python manage.py kontract_migrate up"},
        elsewhere={"CommandError: These changes": "tests/integration/schema/test_project.py"},
    ),
    "docs/typescript.md": Guide(
        languages=("python", "console"),
        files={
            "shop/backend.py": """
                from dataclasses import dataclass
                from enum import Enum
                from uuid import UUID

                from kontract import CallError, backend

                class Colour(Enum):
                    RED = "red"

                @dataclass
                class Order:
                    article: UUID

                @dataclass(eq=False)
                class OutOfStock(CallError):
                    code = "out_of_stock"
                    left: int

                """
        },
        then={"def place_order": HAS_FUNCTION},
        put={"web/src/api.ts: written": "web/src/api.ts: ..."},
    ),
    "docs/raystream.md": Guide(languages=("console",)),
}
