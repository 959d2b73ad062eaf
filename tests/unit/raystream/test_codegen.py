"""What generated texts tell of the channel: policies, and pins."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kontract.codegen import javascript, openapi, python, typescript
from kontract.codegen.manifest import Manifest, build_manifest
from kontract.exceptions import ConfigurationError
from kontract.rpc.procedure import Procedure
from tests.integration.raystream.wire import AUDIENCE, KEYS, in_base64, options


def describe() -> Manifest:
    """Return the manifest of three procedures."""

    def procedure() -> None:
        """Do."""

    return build_manifest(
        [
            Procedure(name="own", function=procedure, raystream="required"),
            Procedure(name="grouped", function=procedure, egroup="payments"),
            Procedure(name="plain", function=procedure),
        ]
    )


def list_policies(manifest: Manifest) -> dict[str, str | None]:
    """Return what the OpenAPI document says of each procedure."""
    paths = json.loads(openapi.render(manifest))["paths"]
    return {
        entry.name: paths[f"/rpc/{entry.name}"]["post"].get("x-kontract-raystream") for entry in manifest.procedures
    }


def test_each_procedures_policy_is_told(settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(egroups={"payments": "required"})}
    manifest = describe()
    expected = {"grouped": "required", "own": "required", "plain": "allowed"}
    assert {entry.name: entry.raystream for entry in manifest.procedures} == expected
    assert list_policies(manifest) == expected


def test_without_a_channel_only_what_is_required_is_told() -> None:
    assert list_policies(describe()) == {"grouped": None, "own": "required", "plain": None}


@pytest.mark.parametrize("language", [typescript, javascript])
def test_clients_pin_what_the_settings_say(language: Any, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(suites=[2, 1])}
    text = language.render(describe())
    keys = [in_base64(key.public) for key in KEYS]
    assert f'audience: "{AUDIENCE}"' in text
    assert "".join(f'    "{key}",\n' for key in keys) in text
    assert "suites: [2, 1]" in text
    assert "import " not in text
    assert not any(in_base64(key.private_bytes()) in text for key in KEYS)


@pytest.mark.parametrize("language", [typescript, javascript])
def test_clients_without_a_channel_have_none_of_it(language: Any) -> None:
    text = language.render(describe())
    assert "Noise" not in text
    assert "raystreamPins" not in text
    assert "has no encrypted channel" in text


@pytest.mark.parametrize("language", [typescript, javascript, python])
def test_no_client_is_made_that_could_not_connect(language: Any, settings: Any) -> None:
    past = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    keys = [{**key, "not_after": past} for key in options()["keys"]]
    settings.KONTRACT = {**settings.KONTRACT, "RAYSTREAM": options(keys=keys)}
    with pytest.raises(ConfigurationError, match="kontract_keys new"):
        language.render(describe())
