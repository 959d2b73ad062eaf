"""The TypeScript client: generated, compiled, and calling a real server from node and from a browser."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections

import kontract
from kontract.codegen import javascript, typescript
from kontract.rpc.registry import registry
from tests.acceptance.conftest import find_free_port, wait_for
from tests.docs import blocks
from tests.typescript.shop import describe_shop
from tests.typescript.toolchain import HERE, PACKAGES, compile_project, find_node, find_program, install_packages, run

ROOT = Path(__file__).parents[2]
RUNTIME = Path(kontract.__file__).parent / "codegen" / "templates" / "typescript"
JAVASCRIPT = RUNTIME.parent / "javascript"
BROWSER_TIMEOUT = 60.0  # seconds


@pytest.fixture(scope="session")
def environment(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the server's settings are read from."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.typescript.settings",
        "KONTRACT_TEST_DATABASE": str(connections["default"].settings_dict["NAME"]),
        "KONTRACT_TEST_BUILT": str(tmp_path_factory.mktemp("typescript") / "built"),
    }


@pytest.fixture(scope="session")
def built(environment: dict[str, str]) -> Path:
    """The directory of the compiled client, of the tests and of the runtime's modules."""
    find_node()
    directory = Path(environment["KONTRACT_TEST_BUILT"])
    source = directory.parent / "src"
    shutil.copytree(RUNTIME, source / "runtime")
    for script in set(HERE.glob("*.ts")) - {HERE / "sealed.test.ts"}:  # which is about a client of its own
        shutil.copy(script, source)
    write_client(source / "client.ts", "--typescript", environment)
    compile_project(directory.parent)
    return directory


def write_client(path: Path, kind: str, environment: dict[str, str]) -> None:
    command = (sys.executable, "-W", "error", "-m", "django", "kontract_compile")
    run(*command, kind, str(path), cwd=ROOT, **environment)


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """Run uvicorn until the block ends; give its URL."""
    port = find_free_port()
    command = ["-m", "uvicorn", "--port", str(port), "--lifespan", "off", "tests.typescript.asgi:application"]
    output = Path(environment["KONTRACT_TEST_BUILT"]).parent / "server.log"
    with (
        output.open("w") as log,
        subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            wait_for(port, process, output)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def server(built: Path, environment: dict[str, str]) -> Iterator[str]:
    """The URL of the server."""
    with serving(environment) as url:
        yield url


def test_compilers_and_environments(built: Path, tmp_path: Path) -> None:
    """Compile the client alone, for what it may meet: an older compiler, no page, declarations for others."""
    (tmp_path / "src").mkdir()
    shutil.copy(built.parent / "src" / "client.ts", tmp_path / "src")
    compile_project(tmp_path, "--lib", "ES2022,WebWorker")
    compile_project(tmp_path, "--lib", "ES2022", "--module", "NodeNext", "--moduleResolution", "NodeNext")
    compile_project(tmp_path, "--declaration", "--isolatedModules", "--skipLibCheck", compiler="typescript-5")


def test_the_guide_compiles(built: Path, tmp_path: Path) -> None:
    """Compile the examples of the guide against the client of the shop that it speaks of."""
    source = tmp_path / "src"
    source.mkdir()
    signing_in = [procedure for procedure in registry if procedure.egroup == "auth"]
    (source / "api.ts").write_text(typescript.render(describe_shop(*signing_in)), encoding="utf-8")
    examples = [block.text for block in blocks("docs/typescript.md", "typescript")]
    assert len(examples) > 4
    for number, text in enumerate(examples):
        (source / f"example{number}.ts").write_text(text, encoding="utf-8")
    (source / "globals.d.ts").write_text("declare const article: string;")
    compile_project(tmp_path)


def test_what_needs_no_server(built: Path) -> None:
    run(find_node(), "--test", "runtime.test.js", cwd=built, TZ="America/New_York")


def test_a_client_in_node(built: Path, server: str) -> None:
    run(find_node(), "--test", "live.test.js", cwd=built, KONTRACT_TEST_SERVER=server)


def test_the_same_client_in_javascript(built: Path, server: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Run the same tests with the client that no compiler has seen."""
    directory = tmp_path / "built"
    shutil.copytree(built, directory)
    write_client(directory / "client.js", "--javascript", environment)
    assert "@ts-nocheck" in (directory / "client.js").read_text()
    run(find_node(), "--test", "live.test.js", cwd=directory, KONTRACT_TEST_SERVER=server)


def test_editors_know_the_types_of_the_client_in_javascript(environment: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "api.js").write_text(javascript.render(describe_shop()), encoding="utf-8")
    (source / "page.ts").write_text(
        'import { Colour, listOrders, placeOrder } from "./api.js";\n'
        'const placed: Date = (await placeOrder({ article: "a", count: 2, colour: Colour.RED })).placed;\n'
        "const prices: string[] = (await listOrders()).map((order) => order.price);\n"
        "// @ts-expect-error: it has to be a number\n"
        'await placeOrder({ article: "a", count: "2" });\n'
        "console.log(placed, prices);\n",
        encoding="utf-8",
    )
    compile_project(tmp_path, "--allowJs", "--noEmit")


def test_the_runtime_in_javascript_is_what_the_compiler_makes_of_it(tmp_path: Path) -> None:
    install_packages()
    config = str(HERE / "tsconfig.runtime.json")
    run(find_node(), str(PACKAGES / "typescript" / "bin" / "tsc"), "--project", config, "--outDir", str(tmp_path))
    compiled, kept = ({file.name: file.read_text() for file in place.glob("*.js")} for place in (tmp_path, JAVASCRIPT))
    assert kept == compiled, "Run `make runtime`, and commit what it writes."


def test_a_client_in_a_browser(built: Path, server: str, tmp_path: Path) -> None:
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}",
        "--remote-debugging-port=0",
    ]
    browser = find_program("chromium", "chromium-browser", "google-chrome")
    with subprocess.Popen([browser, *options, server], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            report = wait_for_report(built / "report")
        finally:
            process.terminate()
    lines = report.splitlines()
    assert [line for line in lines if not line.startswith("ok: ")] == ["done"]
    assert len(lines) > 10


def wait_for_report(path: Path) -> str:
    deadline = time.monotonic() + BROWSER_TIMEOUT
    while not path.exists():
        if time.monotonic() > deadline:
            pytest.fail("The page in the browser reported nothing.")
        time.sleep(0.05)
    return path.read_text()
