"""The encrypted channel of the TypeScript client: its own code against vectors, and calls to real servers."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.db import connections

from kontract.raystream import frames, handshake
from kontract.raystream.cipher import Cipher
from kontract.raystream.envelope import decode_request
from kontract.raystream.keys import StaticKey
from kontract.raystream.limits import Limits
from kontract.raystream.schedule import Secrets
from kontract.raystream.suites import SUITES
from tests.acceptance.test_typescript import ROOT, RUNTIME, serving, wait_for_report, write_client
from tests.docs import blocks as documented
from tests.integration.raystream.server import Proxy
from tests.integration.raystream.wire import DAY
from tests.typescript.toolchain import HERE, PACKAGES, compile_project, find_node, find_program, install_packages, run
from tests.unit.raystream.test_primitives import blocks, wycheproof

VECTORS = ROOT / "docs" / "vectors" / "raystream.json"
NOISE = ROOT / "tests" / "unit" / "raystream" / "noise_cacophony.json"
SCRIPTS = HERE / "raystream"


def make_options(*, audience: str = "typescript.example") -> str:
    """Return ``KONTRACT["RAYSTREAM"]`` as JSON, with keys of its own; sessions are resumed after six requests."""
    keys = [
        {"key": base64.b64encode(StaticKey.generate(1e12).private_bytes()).decode(), "not_after": DAY} for _ in range(2)
    ]
    wrapping_key = base64.b64encode(os.urandom(32)).decode()
    limits = {"requests": 8}
    return json.dumps(
        {"audience": audience, "keys": keys, "wrapping_key": wrapping_key, "limits": limits, "handshakes": "100000/m"}
    )


def make_material() -> dict[str, Any]:
    """Return the vectors that TypeScript is checked with, as it reads them."""
    x25519 = [
        {name: str(case[name]) for name in ("private", "public", "shared", "tcId")}
        for case in wycheproof("Protocol/wycheproof/x25519_test.json", curve="curve25519")
    ]
    x25519 += [
        {"private": case["input_scalar"], "public": case["input_u"], "shared": case["output_u"], "tcId": "RFC 7748"}
        for case in blocks("asymmetric/X25519/rfc7748.txt")
    ]
    hkdf = [{**case, "tcId": str(case["tcId"])} for case in wycheproof("Protocol/wycheproof/hkdf_sha256_test.json")]
    hkdf += [
        {**case, "size": case["l"], "result": "valid", "tcId": "RFC 5869"}
        for case in blocks("KDF/rfc-5869-HKDF-SHA256.txt")
    ]
    ciphers = {1: "chacha20_poly1305_test.json", 2: "aes_gcm_test.json"}
    return {
        "noise": json.loads(NOISE.read_text())["vectors"],
        "ciphers": {
            suite: wycheproof(f"Cipher/wycheproof/{name}", ivSize=96, keySize=256, tagSize=128)
            for suite, name in ciphers.items()
        },
        "x25519": x25519,
        "hkdf": hkdf,
        "published": json.loads(VECTORS.read_text()),
    }


@pytest.fixture(scope="module")
def environment(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the servers' settings are read from."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.typescript.raystream.settings",
        "KONTRACT_TEST_DATABASE": str(connections["default"].settings_dict["NAME"]),
        "KONTRACT_TEST_BUILT": str(tmp_path_factory.mktemp("raystream") / "built"),
        "KONTRACT_TEST_RAYSTREAM": make_options(),
    }


@pytest.fixture(scope="module")
def built(environment: dict[str, str]) -> Path:
    """The directory of the compiled client, the tests and the runtime's modules, and what these are checked with."""
    find_node()
    install_packages()
    directory = Path(environment["KONTRACT_TEST_BUILT"])
    source = directory.parent / "src"
    shutil.copytree(RUNTIME, source / "runtime")
    for script in (*SCRIPTS.glob("*.ts"), HERE / "worker.ts"):
        shutil.copy(script, source)
    write_client(source / "client.ts", "--typescript", environment)
    (directory.parent / "node_modules").symlink_to(PACKAGES)
    compile_project(directory.parent)
    (directory / "material.json").write_text(json.dumps(make_material()))
    return directory


@pytest.fixture(scope="module")
def running(built: Path, environment: dict[str, str]) -> Iterator[list[str]]:
    """The URLs of three servers: two that share the database and the settings, and one of the same name, other keys."""
    other = {**environment, "KONTRACT_TEST_RAYSTREAM": make_options()}
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        yield list(pool.map(stack.enter_context, map(serving, (environment, environment, other))))


@pytest.fixture(scope="module")
def servers(running: list[str]) -> list[str]:
    """The URLs of two servers that share nothing but the database and the settings."""
    return running[:2]


@pytest.fixture(scope="module")
def impostor(running: list[str]) -> str:
    """The URL of a server of the same name, with other keys."""
    return running[2]


def test_vectors_in_node(built: Path) -> None:
    made = built.parent / "made.json"
    command = (find_node(), "--test", "vectors.test.js")
    run(*command, cwd=built, KONTRACT_TEST_MATERIAL=str(built / "material.json"), KONTRACT_TEST_VECTORS=str(made))
    vectors = json.loads(made.read_text())
    assert [vector["suite"] for vector in vectors["suites"]] == list(SUITES)
    for vector in vectors["suites"]:
        check_vector(vectors["audience"].encode(), vector)


def check_vector(audience: bytes, vector: dict[str, Any]) -> None:
    """Open what TypeScript has sealed, with nothing of it but the keys."""
    suite = SUITES[vector["suite"]]
    static = StaticKey.from_bytes(bytes.fromhex(vector["static"]), not_after=1e12)
    keys, sid = bytes.fromhex(vector["keys"]), bytes.fromhex(vector["sid"])
    secrets = Secrets.derive(suite, sid, keys[:32], keys[32:], bytes.fromhex(vector["hash"]))
    openings = [bytes.fromhex(opening) for opening in vector["openings"]]
    assert len(openings) == 3
    for opening in openings:
        message = frames.parse(opening)
        assert isinstance(message, frames.Init)
        answer(message, audience, static, psk=None)
    resumption = frames.parse(bytes.fromhex(vector["resumption"]))
    assert isinstance(resumption, frames.Resume)
    assert resumption.sid == sid
    answer(resumption, audience, static, psk=secrets.resume)
    assert len(vector["requests"]) == 6
    for request in vector["requests"]:
        frame = bytes.fromhex(request["frame"])
        message = frames.parse(frame)
        assert isinstance(message, frames.Request)
        assert (message.sid, message.seq) == (sid, request["seq"])
        envelope = Cipher(suite, secrets.c2s).open(message.seq, message.sealed, message.header)
        head, body = decode_request(envelope)
        assert [head.method, head.path, [list(header) for header in head.headers]] == [
            *(request["method"], request["path"], request["headers"])
        ]
        assert body.hex() == request["body"]
        assert len(envelope) % request["block"] == 0


def answer(message: frames.Init | frames.Resume, audience: bytes, key: StaticKey, psk: bytes | None) -> None:
    """Take a handshake; raise ``NotAuthenticError`` where it is none."""
    assert message.kid == key.kid
    handshake.accept(
        message, audience, key, Limits(), ephemeral=X25519PrivateKey.generate(), sid=os.urandom(16), psk=psk
    )


@pytest.mark.parametrize("language", ["typescript", "javascript"])
def test_calls_from_node(
    language: str, built: Path, servers: list[str], impostor: str, environment: dict[str, str], tmp_path: Path
) -> None:
    directory, chosen = built, "."
    if language == "javascript":  # the client that no compiler has seen
        directory, chosen = tmp_path / "built", "suite of WebCrypto: calls of every kind"
        shutil.copytree(built, directory)
        (tmp_path / "node_modules").symlink_to(PACKAGES)
        write_client(directory / "client.js", "--javascript", environment)
    command = (find_node(), "--test", f"--test-name-pattern={chosen}", "live.test.js")
    run(*command, cwd=directory, KONTRACT_TEST_SERVERS=",".join(servers), KONTRACT_TEST_IMPOSTOR=impostor)


def test_compilers_and_environments(built: Path, tmp_path: Path) -> None:
    """Compile the client alone, for what it may meet: a worker, no page, an older compiler."""
    (tmp_path / "src").mkdir()
    shutil.copy(built.parent / "src" / "client.ts", tmp_path / "src")
    compile_project(tmp_path, "--lib", "ES2022,WebWorker")
    compile_project(tmp_path, "--lib", "ES2022", "--module", "NodeNext", "--moduleResolution", "NodeNext")
    compile_project(tmp_path, "--declaration", "--isolatedModules", "--skipLibCheck", compiler="typescript-5")


def test_the_guide_compiles(built: Path, tmp_path: Path) -> None:
    """Compile the examples of the guide against a client that has the channel."""
    source = tmp_path / "src"
    source.mkdir()
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    shutil.copy(built.parent / "src" / "client.ts", source / "api.ts")
    examples = [block.text for block in documented("docs/raystream.md", "typescript")]
    assert len(examples) > 2
    for number, text in enumerate(examples):
        (source / f"example{number}.ts").write_text(f"{text}\nexport {{}};\n", encoding="utf-8")
    compile_project(tmp_path, "--noUnusedLocals", "false")


def test_what_a_proxy_sees_of_a_browser(built: Path, servers: list[str], tmp_path: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    browser = find_program("chromium", "chromium-browser", "google-chrome")
    ports = [int(url.rpartition(":")[2]) for url in servers]
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(*ports))
        command = [browser, *options, f"--user-data-dir={tmp_path}", f"http://127.0.0.1:{proxy.port}"]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(process.terminate)
        report = wait_for_report(built / "report")
        up, _, plain_up = bytes(proxy.up).partition(b"POST /begin")[2].partition(b"POST /end")
        down, _, plain_down = bytes(proxy.down).partition(b"THE STORY BEGINS")[2].partition(b"THE STORY ENDS")
    lines = report.splitlines()
    assert [line for line in lines if not line.startswith("ok: ")] == ["done"]
    assert len(lines) > 10
    assert up.count(b"POST /kontract/_rs") > 16
    assert len(down) > 140_000
    seen, plain = (up + down).lower(), (plain_up + plain_down).lower()
    # Each is so long that it does not come up by chance, and in the story as anyone can read it.
    words = ("elephant", "/rpc/lab_", "lab_count", "zoo_upload", "authorization", "bearer ", "token of", "idempotency")
    asked = (
        "multipart",
        "kwargs",
        "accept: application/jsonl",
        "/kontract/events",
        "subscriptions",
        "n__gte",
        '"after"',
    )
    told = ('"result"', '"item"', "content-disposition", "kontract-txid", "event: change", "stream-open")
    for word in (*words, *asked, *told):
        assert word.encode() not in seen, word
        assert word.encode() in plain, f"{word} is nowhere in this story, so nobody would see it"
