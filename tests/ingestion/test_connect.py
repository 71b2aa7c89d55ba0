"""Every block of docs/connect.md does what it says: commands make devices, and each payload becomes their readings."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from aurora.accounts import devices
from aurora.domain.topics import covers, patterns_of
from ingestion.landing import Landing
from ingestion.listener import Listener, broker_address
from ingestion.messages import Decoded
from ingestion.registry import DeviceRegistry
from orchestration.cli.commands import cli

PAGE = Path(__file__).parents[2] / "docs" / "connect.md"
BLOCK = re.compile(r"^```(?P<kind>\w+)(?P<about>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Typed into a device, not into Aurora: the device it is for, and what its topic says there.
TYPED = {"tasmota-console": ("heat-pump", "tele/{Topic}/SENSOR")}
MOMENT = re.compile(r"2026-11-01T12:00:00(Z?)|1793534400")
SAID = {
    "aurora": {("grid_import", 4711.25)},
    "shelly-em": {("production", 1.8405)},
    "shelly-pro": {("grid_import", 26.28957), ("grid_export", 131.88186)},
    "heat-pump": {("consumption", 9098.245), ("consumption", 0.17)},
    "fridge": {("consumption", 1.05), ("consumption", 0.102)},
    "ha": {("production", 0.5125)},
    "test-meter": {("grid_import", 120.1)},
    "slimme-meter": {("grid_import", 8151.958), ("grid_export", 4583.589), ("grid_import", 0.243), ("grid_export", 0.0)},
    "p1-reader": {("grid_import", 3.003), ("grid_import", 0.5), ("grid_export", 0.0)},
    "roof": {("grid_import", 3738.205282), ("grid_export", 1776.768769), ("grid_import", 0.0), ("grid_export", 0.036162)},
    "symo": {("production", 0.2164), ("grid_import", 2.2749), ("grid_export", 0.0), ("consumption", 2.4593)},
    "homewizard": {("grid_import", 13779.338), ("grid_export", 0.0), ("grid_import", 0.0), ("grid_export", 0.543)},
    "emontx": {("grid_import", 0.1), ("grid_export", 0.0), ("production", 0.2)},
}


@pytest.fixture
def said(settings, home, accounts, admin, site, lake) -> dict[str, list[Decoded]]:
    """What each payload of the page says, by the device named above it, after every command before it."""
    listener = Listener(broker_address(settings, home), Landing(lake, settings), DeviceRegistry(accounts), settings)
    found: dict[str, list[Decoded]] = {}
    blocks = list(BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    for command in [line for block in blocks if block["kind"] == "sh" for line in block["text"].splitlines()]:
        words = shlex.split(command)
        assert words[0] == "aurora"
        done = CliRunner().invoke(cli, words[1:])
        assert done.exit_code == 0, (command, done.output)
    for block in blocks:
        about = block["about"].split()
        if len(about) == 2:
            text = MOMENT.sub(now_as, block["text"].strip("\n"))
            found.setdefault(about[0], []).append(listener._decode(about[1], text.encode()))
    return found


def now_as(found: re.Match[str]) -> str:
    """The time it is, written as the page writes its own: in UTC, by the clock of a site in Berlin, or in seconds since 1970."""
    now = datetime.now(UTC)
    if found[1] is None:
        return f"{now.timestamp():.0f}"
    return f"{now:%Y-%m-%dT%H:%M:%SZ}" if found[1] else f"{now.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%dT%H:%M:%S}"


def test_every_payload_of_the_page_becomes_the_readings_of_its_device(said) -> None:
    assert said.keys() == SAID.keys()
    for device, parts in said.items():
        readings = [reading for part in parts for reading in part.readings]
        assert [part.rejections for part in parts if part.rejections] == [], device
        assert {reading.device_id for reading in readings} == {"main-meter" if device == "aurora" else device}
        assert {(r.channel, round(r.value, 6)) for r in readings} == SAID[device]


def test_every_block_of_the_page_is_run_or_typed_into_a_device(said, accounts) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(blocks)
    others = [(block, block["about"].split()) for block in blocks if block["kind"] != "sh"]
    assert {about[0] for _, about in others if len(about) == 2} == said.keys()
    assert {" ".join(about) for _, about in others if len(about) != 2} == TYPED.keys()
    for block, about in others:
        if len(about) == 1:
            device_id, topic = TYPED[about[0]]
            written = dict(word.split(" ", 1) for word in re.split(r"; |Backlog ", block["text"].strip()) if word)
            device = devices.find_device(accounts, device_id)
            assert written["MqttUser"] == device_id
            assert any(covers(pattern, topic.format_map(written)) for pattern in patterns_of(device.topic))
