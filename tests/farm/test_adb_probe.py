"""Readings through adb: its real server, on simulated devices; and what is made of any text."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import pickle
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adbd
from adb_stand_in import AdbServer
from pytest_autorl.errors import (
    DeviceError,
    DeviceProviderError,
    DeviceTimeoutError,
    DeviceUnhealthyError,
)
from pytest_autorl.farm.probes.adb import SCRIPT, parse, probe
from pytest_autorl.farm.providers.adbserver import LIMIT_BYTES, RefusalError, shell, states, version
from pytest_autorl.farm.sample import HealthSample

#: Longest time that a device which answers is given: machines that test are busy.
DEADLINE_S = 30.0


def answer(**parts: str) -> str:
    """What a device prints when it says only this."""
    return "".join(f"@autorl:{name.replace('_', ' ')}\n{text}\n" for name, text in parts.items())


def told(said: str) -> Callable[..., str]:
    def shell(serial: str, command: str, *, port: int, deadline_s: float) -> str:
        return said

    return shell


def refusing(why: str) -> Callable[..., str]:
    def shell(serial: str, command: str, *, port: int, deadline_s: float) -> str:
        raise RefusalError(why)

    return shell


@contextlib.contextmanager
def saying(said: bytes, *, cuts: bool = False) -> Iterator[int]:
    """What says only this to whoever connects, and closes (or cuts it off); gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                link.recv(1000)
                link.sendall(said)
                if cuts:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(DEADLINE_S)


# -- the real server of adb


@pytest.fixture
def adb(tmp_path: Path) -> Iterator[adbd.PrivateAdb]:
    with adbd.PrivateAdb(tmp_path) as started:
        yield started


@pytest.fixture
def phone(adb: adbd.PrivateAdb) -> Iterator[adbd.Adbd]:
    with adbd.Adbd() as device:
        adb.connect(device)
        yield device


def asked(adb: adbd.PrivateAdb, phone: adbd.Adbd, *, deadline_s: float = DEADLINE_S) -> HealthSample:
    return probe(phone.serial, deadline_s=deadline_s, port=adb.port, device_id="pixel-8")


def test_a_device_that_is_well_says_everything_in_one_round_trip(
    adb: adbd.PrivateAdb, phone: adbd.Adbd
) -> None:
    sample = asked(adb, phone)

    assert phone.asked == [SCRIPT]
    assert sample.response_s is not None
    assert 0 < sample.response_s < DEADLINE_S
    assert dataclasses.replace(sample, response_s=None) == HealthSample(
        battery_pct=87.0,
        temperature_c=31.2,
        storage_free_mb=107435648 * 1024 / 1e6,
        memory_pct=75.0,
        cpu_pct=25.0,
    )


def test_what_the_script_waits_by_itself_is_no_slowness_of_the_device(
    adb: adbd.PrivateAdb, phone: adbd.Adbd
) -> None:
    """By the device's own clock: here one on which the pause was nearly all of the time."""
    looks = iter(["100.00 1.00\n", "100.20 1.00\n"])
    phone.answers["cat /proc/uptime"] = lambda: next(looks)
    begun_s = time.monotonic()

    sample = asked(adb, phone)

    assert sample.response_s is not None
    assert sample.response_s <= time.monotonic() - begun_s - 0.19


def test_a_command_that_the_device_does_not_have_is_a_missing_reading(
    adb: adbd.PrivateAdb, phone: adbd.Adbd
) -> None:
    del phone.answers["dumpsys battery"], phone.answers["grep '^cpu ' /proc/stat"]

    sample = asked(adb, phone)

    assert (sample.battery_pct, sample.temperature_c, sample.cpu_pct) == (None, None, None)
    assert (sample.memory_pct, sample.is_online) == (75.0, True)


def test_only_the_device_that_is_meant_is_asked(adb: adbd.PrivateAdb, phone: adbd.Adbd) -> None:
    with adbd.Adbd() as other:
        adb.connect(other)
        asked(adb, phone)

        assert other.asked == []


def test_a_device_that_lets_nobody_in_says_what_to_do_on_its_screen(adb: adbd.PrivateAdb) -> None:
    with adbd.Adbd(state="unauthorized") as phone:
        adb.connect(phone)
        with pytest.raises(DeviceUnhealthyError, match="adb calls it unauthorized") as error:
            asked(adb, phone)

    assert "allow USB debugging" in error.value.do


def test_a_device_whose_cable_was_pulled_is_offline(adb: adbd.PrivateAdb, phone: adbd.Adbd) -> None:
    asked(adb, phone)
    phone.state = "mute"
    phone.drop()

    with pytest.raises(DeviceUnhealthyError, match=r"calls it offline|does not see|broke off") as error:
        asked(adb, phone)

    assert error.value.do


def test_one_that_goes_away_in_mid_answer_gives_no_readings(adb: adbd.PrivateAdb, phone: adbd.Adbd) -> None:
    """The answer ends as a whole one does, and half of the answer looks like one."""
    phone.breaks = True

    with pytest.raises(DeviceUnhealthyError, match="broke off its answer"):
        asked(adb, phone)


def test_one_that_hangs_is_late_and_adbs_server_does_not_suffer(
    adb: adbd.PrivateAdb, phone: adbd.Adbd
) -> None:
    phone.state = "hang"
    begun_s = time.monotonic()

    with pytest.raises(DeviceTimeoutError, match=r"no answer through adb in 2 s") as error:
        asked(adb, phone, deadline_s=2)

    assert time.monotonic() - begun_s < DEADLINE_S
    assert error.value.blame == "device"
    assert adb.states() == {phone.serial: "device"}


def test_a_device_that_is_not_there_is_not_seen(adb: adbd.PrivateAdb) -> None:
    with pytest.raises(DeviceUnhealthyError, match="adb does not see the device") as error:
        probe("R5CT0000000", deadline_s=DEADLINE_S, port=adb.port)

    assert "R5CT" not in str(error.value)


@pytest.mark.parametrize("udid", ["x; touch made", "$(touch made)", "a b", "`touch made`", "ü'\""])
def test_no_udid_becomes_a_command(
    udid: str, adb: adbd.PrivateAdb, phone: adbd.Adbd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DeviceUnhealthyError, match="adb does not see the device"):
        probe(udid, deadline_s=DEADLINE_S, port=adb.port)

    assert not (tmp_path / "made").exists()
    assert phone.asked == []


def test_a_server_that_hangs_is_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DeviceTimeoutError):
        probe("any", deadline_s=1, port=silent.getsockname()[1])


def test_where_no_server_runs_none_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adb = adbd.PrivateAdb(tmp_path)
    if not adb.program:
        adbd.require_real("adb", "it is not on PATH")
    for name, value in adb.env.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(DeviceProviderError, match=f"no server of adb answers on port {adb.port}") as error:
        probe("nobody", deadline_s=DEADLINE_S)  # the port is that of the environment

    assert error.value.blame == "farm"
    assert f"`adb -P {adb.port} start-server`" in error.value.do
    assert "cannot connect" in adb("kill-server")  # there is none


# -- a server of another version


def test_a_server_of_another_version_is_asked_and_lives_on() -> None:
    """adb's own program would end it first, and with it the sessions that reach their devices through it."""
    with AdbServer(version=39, states={"R5CT1": "device"}) as server:
        server.says = answer(battery="level: 43", end="")
        sample = probe("R5CT1", deadline_s=DEADLINE_S, port=server.port)

    assert sample.battery_pct == 43.0
    assert server.asked == ["host:transport:R5CT1", f"shell:{SCRIPT}"]


@pytest.mark.parametrize(
    ("question", "why", "words"),
    [("host:transport:", "device offline", "calls it offline"), ("shell:", "closed", "calls it offline")],
)
def test_what_the_server_refuses_is_told(question: str, why: str, words: str) -> None:
    with AdbServer(states={"R5CT1": "device"}) as server:
        server.refuses[question] = why
        with pytest.raises(DeviceUnhealthyError, match=words):
            probe("R5CT1", deadline_s=DEADLINE_S, port=server.port)


def test_a_device_that_goes_away_before_it_is_asked_is_offline() -> None:
    with saying(b"OKAY") as port, pytest.raises(DeviceUnhealthyError, match="calls it offline"):
        probe("any", deadline_s=DEADLINE_S, port=port)


def test_a_connection_that_is_cut_is_an_answer_that_was_broken_off() -> None:
    with (
        saying(b"OKAYOKAY@autorl:battery\n", cuts=True) as port,
        pytest.raises(DeviceUnhealthyError, match=r"broke off|shell does not work|calls it offline"),
    ):
        probe("any", deadline_s=DEADLINE_S, port=port)


def test_without_any_time_nothing_is_asked() -> None:
    with AdbServer() as server, pytest.raises(DeviceTimeoutError):
        probe("any", deadline_s=0, port=server.port)

    assert server.asked == []


def test_no_more_is_read_than_a_probe_can_say() -> None:
    with AdbServer() as server:
        server.says = "x" * (LIMIT_BYTES + 70_000)

        assert len(shell("any", "yes", port=server.port, deadline_s=DEADLINE_S)) == LIMIT_BYTES


def test_the_deadline_holds_for_all_of_it_and_not_for_each_word() -> None:
    """A device that says a little now and then would never be late."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                link.sendall(b"OKAYOKAY")
                while not stop.wait(0.05):
                    link.sendall(b".")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        begun_s = time.monotonic()
        with pytest.raises(DeviceTimeoutError, match="in 1 s"):
            probe("any", deadline_s=1, port=listener.getsockname()[1])
        stop.set()
        thread.join(DEADLINE_S)

    assert time.monotonic() - begun_s < DEADLINE_S


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"OK", b"FAILzzzz", b"FAIL0009no"]
)
def test_what_is_no_server_of_adb_is_the_farms_fault(said: bytes) -> None:
    with saying(said) as port, pytest.raises(DeviceProviderError, match="no server of adb answers"):
        probe("any", deadline_s=DEADLINE_S, port=port)


def test_the_real_server_says_its_version_and_its_devices(adb: adbd.PrivateAdb, phone: adbd.Adbd) -> None:
    said = adb("version")

    assert f"version 1.0.{version(adb.port, limit_s=DEADLINE_S)}\n" in said
    assert states(adb.port, limit_s=DEADLINE_S) == {phone.serial: "device"}


# -- without a server


@pytest.mark.parametrize("udid", ["", "-a", "--help", "-s", " x", "x\n", "a\0b", "model:Pixel_8", "usb:1-4"])
def test_what_is_no_serial_number_is_not_even_tried(udid: str) -> None:
    def never(serial: str, command: str, *, port: int, deadline_s: float) -> str:
        raise AssertionError(serial)

    with pytest.raises(DeviceProviderError, match="no serial number") as error:
        probe(udid, deadline_s=1, shell=never, device_id="pixel-8")

    assert str(error.value).startswith("[pixel-8] ")


@pytest.mark.parametrize("udid", ["emulator-5554", "10.0.0.7:5555", "adb-R5 (2)._adb-tls-connect._tcp", "ü"])
def test_the_serial_number_comes_as_it_is(udid: str) -> None:
    with AdbServer() as server:
        server.says = answer(end="")
        probe(udid, deadline_s=DEADLINE_S, port=server.port)

    assert server.asked[0] == f"host:transport:{udid}"


def test_a_serial_number_that_no_server_takes_is_not_sent() -> None:
    with AdbServer() as server, pytest.raises(DeviceUnhealthyError, match="too long"):
        probe("x" * 70_000, deadline_s=DEADLINE_S, port=server.port)

    assert server.asked == []


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("device offline", DeviceUnhealthyError, "adb calls it offline"),
        ("device unauthorized.\nThis adb server's", DeviceUnhealthyError, "unauthorized"),
        ("device still authorizing", DeviceUnhealthyError, "unauthorized"),
        ("device still connecting", DeviceUnhealthyError, "offline"),
        ("device 'R5CT' not found", DeviceUnhealthyError, "does not see"),
        ("no devices/emulators found", DeviceUnhealthyError, "does not see"),
        ("closed", DeviceUnhealthyError, "offline"),
        ("insufficient permissions for device", DeviceProviderError, "USB port"),
        ("R5CT\x1b[31m is odd", DeviceUnhealthyError, "adb does not reach the device: ... [31m is odd"),
        ("", DeviceUnhealthyError, "no word"),
        ("x" * 9999, DeviceUnhealthyError, "adb does not reach the device: x"),
    ],
)
def test_a_refusal_is_told_with_blame_and_a_way_out(said: str, kind: type[DeviceError], words: str) -> None:
    with pytest.raises(DeviceError) as caught:
        probe("R5CT", deadline_s=1, shell=refusing(said))

    error = caught.value
    assert type(error) is kind
    assert words in str(error)
    assert error.do
    assert "R5CT" not in str(error)
    assert len(str(error)) < 400
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_words_of_the_device_itself_are_not_taken_for_those_of_adb() -> None:
    said = answer(battery="error: device offline", storage="") + "Terminated"

    with pytest.raises(DeviceUnhealthyError, match="broke off"):
        probe("x", deadline_s=1, shell=told(said))


def test_a_device_that_answers_without_any_sense_is_unfit() -> None:
    with pytest.raises(DeviceUnhealthyError, match=r"shell does not work: garbage of \.\.\.") as error:
        probe("R5CT", deadline_s=1, shell=told("garbage\x07of R5CT"))

    assert "restart" in error.value.do


# -- reading


@pytest.mark.parametrize(
    ("text", "pct", "celsius"),
    [
        ("  level: 43\n  scale: 50\n  temperature: 405\n", 86.0, 40.5),
        ("level: 43\r\ntemperature: -52\r\n", 43.0, -5.2),
        ("level: 0\nscale: 100\n", 0.0, None),
        ("level: 50\nscale: 0\n", None, None),
        ("present: false\nlevel: 0\nscale: 100\ntemperature: 0\n", None, None),
        ("level: 400\ntemperature: 99999\n", 400.0, 9999.9),  # whether it can be true is for others to say
        ("level: full\ntemperature: 3x1\n", None, None),
        ("Can't find service: battery\n", None, None),
        ("", None, None),
    ],
)
def test_the_battery_is_read(text: str, pct: float | None, celsius: float | None) -> None:
    sample = parse(answer(battery=text))

    assert (sample.battery_pct, sample.temperature_c) == (pct, celsius)


@pytest.mark.parametrize(
    ("text", "free_bytes"),
    [
        (adbd.STORAGE, 107435648 * 1024),
        ("Filesystem  Size  Used Avail Use% Mounted on\n/dev/x  111G 8.8G  102.5G   8% /data", 102.5 * 2**30),
        ("Filesystem  Size  Used Avail Use% Mounted on\n/dev/x  111G 111G  512K   8% /data", 512 * 2**10),
        ("Filesystem  Size  Used Avail Use% Mounted on\n/dev/x  111G 111G  0   8% /data", 0),
        ("Filesystem  Size  Used  Free  Blksize\n/data  12.5G  1.2G  11.3G  4096", 11.3 * 2**30),
        ("Filesystem 512-blocks Used Available Capacity Mounted on\n/dev/x 9 1 8 8% /data", 8 * 512),
        ("Filesystem 1M-blocks Used Available Use% Mounted on\n/dev/x 9 1 8 8% /data", 8 * 2**20),
        (
            "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/long\n  900 100 800 8% /data",
            800 * 1024,
        ),
        ("Filesystem 1K-blocks Used Available Use% Mounted on\n", None),
        ("Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/x 9 1\n", None),
        ("Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/x 9 1 -8 8% /data\n", None),
        ("df: /data: Permission denied", None),
        ("", None),
    ],
)
def test_free_room_is_read_as_each_df_writes_it(text: str, free_bytes: float | None) -> None:
    found = parse(answer(storage=text)).storage_free_mb

    assert found == (None if free_bytes is None else pytest.approx(free_bytes / 1e6))


@pytest.mark.parametrize(
    ("text", "pct"),
    [
        (adbd.MEMORY, 75.0),
        ("MemTotal: 100 kB\nMemAvailable: 0 kB\n", 100.0),
        ("MemTotal: 100 kB\nMemFree: 10 kB\n", None),  # kernels before 3.14 do not say what is available
        ("MemTotal: 0 kB\nMemAvailable: 0 kB\n", None),
    ],
)
def test_memory_is_read(text: str, pct: float | None) -> None:
    assert parse(answer(memory=text)).memory_pct == pct


@pytest.mark.parametrize(
    ("before", "after", "pct"),
    [
        ("cpu  10 0 0 90 0 0 0 0 0 0", "cpu  40 0 0 150 10 0 0 0 0 0", 30.0),
        ("cpu  10 0 0 90 0", "cpu  20 0 0 90 0", 100.0),
        ("cpu  10 0 0 90 0 0 0 0 0 0", "cpu  10 0 0 90 0 0 0 0 0 0", None),  # no tick between them
        ("cpu  10 0 0 90 5 0 0", "cpu  20 0 0 90 4 0 0", 100.0),  # idle time set back
        ("cpu  50 0 0 90 0 0 0", "cpu  10 0 0 90 0 0 0", None),
        ("cpu  10 0 0 90 0", "grep: /proc/stat: Permission denied", None),
        ("cpu  10 0 0", "cpu  10 0 9", None),
    ],
)
def test_the_processors_are_read_between_two_looks(before: str, after: str, pct: float | None) -> None:
    found = parse(answer(cpu=before, cpu_later=after)).cpu_pct

    assert found == (None if pct is None else pytest.approx(pct))


@pytest.mark.parametrize(
    ("begun", "ended", "response_s"),
    [
        ("10.00 1.0", "10.25 1.0", 0.25),
        ("10.00 1.0", "", 0.5),
        ("10.00 1.0", "99.00 1.0", 0.5),  # longer than all of it: no clock to believe
        ("10.00 1.0", "9.00 1.0", 0.5),
        ("x", "y", 0.5),
    ],
)
def test_the_scripts_own_pause_is_taken_off_the_time(begun: str, ended: str, response_s: float) -> None:
    sample = parse(answer(uptime=begun, uptime_later=ended), took_s=0.5)

    assert sample.response_s == pytest.approx(response_s)


NAMES = ["battery", "storage", "memory", "uptime", "cpu", "pause", "cpu later", "uptime later", "end"]
PIECES = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"(level|scale|temperature|MemTotal|MemAvailable): *-?[0-9]{1,400}( kB)?", fullmatch=True),
    st.from_regex(r"cpu  [0-9]{1,20}( [0-9]{1,20}){0,12}", fullmatch=True),
    st.sampled_from(["Filesystem 1K-blocks Used Available Use% Mounted on", "Size Avail", "present: false"]),
    st.from_regex(r"/dev/x( [0-9]{1,400}[KMGTP]?){0,5}", fullmatch=True),
    st.sampled_from([f"@autorl:{name}" for name in NAMES]),
)


@given(st.lists(PIECES, max_size=30).map("\n".join), st.floats(0, 100))
def test_no_text_is_too_odd_to_be_read(text: str, took_s: float) -> None:
    """A reading is a number or missing, and the time is never more than was taken."""
    sample = parse(text, took_s=took_s)

    for name in ("battery_pct", "temperature_c", "storage_free_mb", "memory_pct", "cpu_pct"):
        assert getattr(sample, name) is None or isinstance(getattr(sample, name), float)
    assert sample.cpu_pct is None or 0 <= sample.cpu_pct <= 100
    assert sample.response_s is not None
    assert 0 <= sample.response_s <= took_s


@given(
    level=st.integers(0, 100),
    tenths=st.integers(-300, 900),
    free_kb=st.integers(0, 10**9),
    total_kb=st.integers(1, 10**8),
    noise=st.text(st.characters(blacklist_characters="@", blacklist_categories=["Cs"]), max_size=20),
)
def test_what_a_device_says_is_read_back(
    level: int, tenths: int, free_kb: int, total_kb: int, noise: str
) -> None:
    """Also behind what a shell or adb prints before."""
    battery = f"  level: {level}\n  scale: 100\n  temperature: {tenths}\n"
    storage = f"Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/x 9 1 {free_kb} 8% /data\n"
    memory = f"MemTotal: {total_kb} kB\nMemAvailable: {total_kb // 2} kB\n"

    sample = parse(f"{noise}\n" + answer(battery=battery, storage=storage, memory=memory))

    assert sample.battery_pct == pytest.approx(level)
    assert sample.temperature_c == pytest.approx(tenths / 10)
    assert sample.storage_free_mb == pytest.approx(free_kb * 1024 / 1e6)
    assert sample.memory_pct is not None
    assert math.isclose(sample.memory_pct, (total_kb - total_kb // 2) / total_kb * 100)
