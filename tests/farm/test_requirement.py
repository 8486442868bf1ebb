"""Requirements: the marker's words made equal, and the match that explains itself."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.errors import RequirementError
from pytest_autorl.farm import Device, Requirement
from pytest_autorl.farm.requirement import eligible, is_satisfiable, match, nearest
from pytest_autorl.farm.versions import parse_spec

PIXEL = Device(
    id="pixel",
    provider="virtual",
    platform="android",
    os_version="14",
    form_factor="phone",
    model="Pixel 8",
    tags=frozenset({"nfc", "camera"}),
    attributes={"ram_mb": 8192},
    capabilities={"appium:locale": "DE", "appium:accessKey": "canary-4711"},
)
TABLET = Device(id="tablet", provider="virtual", platform="android", os_version="15.1", form_factor="tablet")
WATCH = Device(id="watch", provider="virtual", platform="wear", os_version="4.4W")
BARE = Device(id="bare", provider="virtual")
FARM = (PIXEL, TABLET, WATCH, BARE)


def need(*args: object, **kwargs: Any) -> Requirement:
    return Requirement.from_marker(args, kwargs)


def test_a_marker_without_words_is_any_device() -> None:
    assert need() == Requirement()
    assert need().key == "any"
    assert str(need()) == "any device"
    assert eligible(FARM, need()) == FARM


def test_equal_needs_are_equal_however_they_are_written() -> None:
    one = need(platform="Android", os_version=">=13.0, <16", tags=["nfc", "camera", "nfc"], model="PIXEL 8")
    other = need(platform="android", os_version="<16,>=13", tags=("camera", "nfc"), model="Pixel 8", count=1)

    assert one == other
    assert hash(one) == hash(other)
    assert one.key == other.key == "android<16,>=13/pixel 8+camera+nfc"


def test_different_needs_differ() -> None:
    needs = [
        need(),
        need(count=2),
        need(tags="nfc"),
        need(tags="NFC"),
        need(os_version="14"),
        need(os_version=">=14"),
        need(where="a == 1"),
        need(where="a == true"),
        need(capabilities={"a": 1}),
        need(capabilities={"a": True}),
        need(capabilities={"a": 1.0}),
    ]

    assert len(set(needs)) == len({one.key for one in needs}) == len(needs)


def test_the_key_is_short_and_names_the_class() -> None:
    assert need(platform="android", os_version=">=13", tags="nfc").key == "android>=13+nfc"
    assert need(form_factor="Tablet", count=2).key == "any/tablet x2"
    long = need(where=" or ".join(f"ram_mb == {i}" for i in range(30)))
    assert len(long.key) < 50
    assert long.key != need(where=" or ".join(f"ram_mb == {i}" for i in range(29))).key


def test_the_text_is_for_people() -> None:
    text = str(need(platform="android", os_version=">=13", tags=["nfc"], count=2, where="ram_mb >= 4096"))

    assert text == "2 devices with platform android, os_version >=13, tag nfc, where ram_mb >= 4096"


def test_a_secret_capability_is_in_no_text() -> None:
    one = need(capabilities={"appium:accessKey": "canary-4711", "appium:locale": "en"})

    assert "canary" not in f"{one} {one!r} {one.key} {match(PIXEL, one)} {PIXEL!r}"
    differing = need(capabilities={"appium:accessKey": "canary-0815"})
    assert match(PIXEL, differing).failed == (
        "capability appium:accessKey differs from the device's own (values not shown)",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"platfrom": "android"}, "device(platfrom=...): unknown keyword\n  do: did you mean platform?"),
        ({"reason": "x"}, "unknown keyword"),
        ({"platform": 3}, "device(platform=3): expected a text, got int"),
        ({"platform": " "}, "expected one line of text"),
        ({"model": "a\nb"}, "expected one line of text"),
        ({"tags": 3}, "device(tags=3): expected a list of words, got int"),
        ({"tags": ["nfc", 4]}, "device(tags=4): a tag is one word"),
        ({"tags": "nfc, camera"}, "device(tags='nfc, camera'): a tag is one word"),
        ({"tags": {"nfc": 1}}, "expected a list of words, got dict"),
        ({"count": 0}, "device(count=0): expected 1 to 100 devices"),
        ({"count": True}, "device(count=True): expected a whole number, got bool"),
        ({"count": "2"}, "expected a whole number, got str"),
        ({"os_version": 14.0}, "a float loses digits (14.10 is 14.1)\n  do: write os_version='14.0'"),
        ({"os_version": "=>13"}, "part '=>13' of version specifier '=>13' is not understood"),
        ({"os_version": "14+"}, "version '14+' is not understood"),
        ({"os_version": ">=Tiramisu"}, "'Tiramisu' is not a number"),
        ({"os_version": ">=13,"}, "part ''"),
        ({"os_version": "===14"}, "is not a number"),
        ({"os_version": "~=13"}, "part '~=13'"),
        ({"os_version": ["14"]}, "expected a text, got list"),
        (
            {"os_version": 10**5000},
            "device(os_version=<int>): no system has this version",
        ),
        ({"os_version": "1" * 200}, "longer than 100 characters"),
        ({"capabilities": "x"}, "device(capabilities='x'): expected a dict, got str"),
        ({"capabilities": {"a": object}}, "with the keys 'a'"),
        ({"capabilities": {"a": float("nan")}}, "with the keys 'a'"),
        ({"capabilities": {1: 2}}, "a key is not a text"),
        ({"where": 3}, "device(where=3): expected a text, got int"),
        ({"where": "battery > 20"}, "readings never decide a match"),
    ],
)
def test_a_marker_that_cannot_be_understood_says_what_to_write(words: dict[str, Any], message: str) -> None:
    with pytest.raises(RequirementError) as caught:
        need(**words)

    assert message in str(caught.value)
    assert "\n  do: " in str(caught.value)


def test_positional_words_are_refused_with_advice() -> None:
    with pytest.raises(
        RequirementError, match=r"(?s)device\('android'\): .*keywords only.*platform='android'"
    ):
        need("android")


def test_a_value_that_cannot_be_printed_is_named_by_its_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(RequirementError, match=r"device\(tags=<Shy>\): expected a list of words, got Shy"):
        need(tags=Shy())


def test_none_means_not_stated() -> None:
    """Parametrised markers can leave a keyword out that way."""
    assert need(platform=None, tags=None, where=None) == Requirement()


@pytest.mark.parametrize(
    ("spec", "fitting", "other"),
    [
        ("14", ["14", "14.0", "14.1", "14.9.9"], ["15", "13", "140", "4.4W", ""]),
        (14, ["14", "14.1"], ["15"]),
        ("14.1", ["14.1", "14.1.2"], ["14", "14.10", "14.2"]),
        (">=13", ["13", "13.0", "14.2", "100"], ["12.9", "9", "4.4W", "Tiramisu", ""]),
        (">=13,<15", ["13", "14.99"], ["15", "12"]),
        ("~=13.1", ["13.1", "13.9"], ["14", "13.0"]),
        ("==14.*", ["14", "14.7"], ["15"]),
        ("14.*", ["14", "14.7"], ["15"]),
        ("==14", ["14", "14.0"], ["14.1"]),
        ("!=14", ["13", "14.1"], ["14", "14.0"]),
        ("!=14.*", ["13", "15"], ["14", "14.1"]),
        ("Tiramisu", ["tiramisu", "Tiramisu"], ["13", ""]),
        ("4.4W", ["4.4w"], ["4.4"]),
        ("==4.4W", ["4.4W"], ["4.4", ""]),
        (">=17", ["17.2-beta"], ["17-beta"]),
    ],
)
def test_version_specifiers(spec: str | int, fitting: list[str], other: list[str]) -> None:
    requirement = need(os_version=spec)

    def fits(version: str) -> bool:
        return match(Device(id="a", provider="b", os_version=version), requirement).ok

    assert [v for v in (*fitting, *other) if fits(v)] == fitting


def test_each_predicate_that_fails_is_said_in_words() -> None:
    wanted = need(
        platform="ios",
        os_version=">=15",
        form_factor="tablet",
        model="iPad",
        tags=["nfc", "lidar"],
        where="ram_mb >= 16000",
        capabilities={"locale": "en", "appium:silent": 1},
    )

    assert match(PIXEL, wanted).failed == (
        "platform is android, needs ios",
        "form_factor is phone, needs tablet",
        "model is Pixel 8, needs iPad",
        "os_version is 14, needs >=15",
        "tags are camera, nfc, needs lidar",
        'capability locale is "DE", needs "en"',
        "ram_mb is 8192, needs >= 16000",
    )
    assert match(BARE, need(platform="ios", tags="x")).failed == (
        "platform is unknown, needs ios",
        "tags are none, needs x",
    )


def test_capabilities_never_exclude_a_device_that_is_silent_about_them() -> None:
    wanted = need(capabilities={"locale": "DE"})

    assert eligible(FARM, wanted) == FARM
    assert not match(PIXEL, need(capabilities={"appium:locale": "FR"})).ok


def test_the_nearest_devices_miss_the_fewest_predicates() -> None:
    found = nearest(FARM, need(platform="android", form_factor="tablet", os_version=">=16"), n=2)

    assert [(device.id, len(failed)) for device, failed in found] == [("tablet", 1), ("pixel", 2)]


def test_a_need_for_more_devices_than_fit_cannot_be_met() -> None:
    assert is_satisfiable(FARM, need(platform="android", count=2))
    assert not is_satisfiable(FARM, need(platform="android", count=3))
    assert not is_satisfiable((), need())


def test_a_requirement_travels_as_plain_data_and_as_pickle() -> None:
    one = need(
        platform="android",
        os_version="14",
        tags="nfc",
        count=2,
        where="'a' in tags",
        capabilities={"x": [1, None]},
    )

    assert Requirement.from_marker((), one.keywords()) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert need().keywords() == {}


def test_a_later_change_of_the_markers_dict_changes_nothing() -> None:
    capabilities = {"a": [1]}
    one = need(capabilities=capabilities)
    capabilities["a"].append(2)

    assert one == need(capabilities={"a": [1]})


_SPECS = st.sampled_from(["14", ">=13", "<15,>=13", "~=13.1", "!=14.*", "Tiramisu", "==14.0", "13.0", ""])
_WORDS = st.fixed_dictionaries(
    {},
    optional={
        "platform": st.sampled_from(["android", "Android", "wear", "ios"]),
        "os_version": _SPECS,
        "form_factor": st.sampled_from(["phone", "TABLET"]),
        "model": st.sampled_from(["Pixel 8", "pixel 8", "x"]),
        "tags": st.lists(st.sampled_from(["nfc", "camera", "x"]), max_size=3),
        "count": st.integers(1, 3),
        "capabilities": st.dictionaries(
            st.sampled_from(["locale", "b"]), st.sampled_from(["DE", 1, True]), max_size=2
        ),
        "where": st.sampled_from(["ram_mb > 1", "'nfc' in tags or ram_mb > 9000", "not os_version > 14"]),
    },
)


@settings(max_examples=150)
@given(_WORDS)
def test_the_match_agrees_with_its_explanation_and_normalising_twice_changes_nothing(
    words: dict[str, Any],
) -> None:
    requirement = need(**words)

    assert need(**requirement.keywords()) == requirement
    assert need(**requirement.keywords()).key == requirement.key
    for device in FARM:
        found = match(device, requirement)
        assert found.ok == (not found.failed)
        assert found == match(device, need(**requirement.keywords()))
        assert (device in eligible(FARM, requirement)) == found.ok
    # More to ask for never fits more devices.
    stricter = need(**{**words, "tags": [*words.get("tags", []), "nfc"]})
    assert set(eligible(FARM, stricter)) <= set(eligible(FARM, requirement))


_ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.integers(), st.floats(), st.binary(max_size=3)), max_size=3
    ),
)
_KEYS = st.sampled_from(
    ["platform", "os_version", "form_factor", "model", "tags", "count", "capabilities", "where", "else"]
)


@settings(max_examples=200)
@given(st.dictionaries(_KEYS, _ANYTHING, max_size=3), st.lists(_ANYTHING, max_size=1))
def test_no_words_raise_anything_but_a_requirement_error(words: dict[str, Any], args: list[Any]) -> None:
    said = "\n  do: "
    try:
        requirement = Requirement.from_marker(args, words)
        assert need(**requirement.keywords()) == requirement
        assert isinstance(match(PIXEL, requirement).ok, bool)
    except RequirementError as error:
        said = str(error)
    assert "\n  do: " in said


@settings(max_examples=200)
@given(st.text(alphabet="0123456789.*<>=!~, abW-+", max_size=12))
def test_canonical_specifiers_are_stable(text: str) -> None:
    said = "accepted:"
    try:
        spec = parse_spec(text)
    except ValueError as error:
        said = str(error)
    else:
        again = parse_spec(spec.text)
        said = said if again == spec and spec.accepts("14") == again.accepts("14") else f"became {again}"
    assert "accepted:" in said
