"""The one form of JSON: how it is written, and the whole sentence for what is refused."""

import pytest

from policy.canonical_json import array, dump_canonical, exact_keys, load_strict, require_json
from policy.checks import MalformedFactError


def test_written():
    """Keys are sorted, nothing is spaced, letters stay letters."""
    value = {"b": [1, True, None, {}], "a": "é", "C": []}

    assert '{"C":[],"a":"é","b":[1,true,null,{}]}' == dump_canonical(value)
    assert value == load_strict(dump_canonical(value))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            '{"a":1.0}', "the number 1.0 is not exact; only whole numbers are read", id="float"
        ),
        pytest.param("1e3", "the number 1e3 is not exact; only whole numbers are read", id="power"),
        pytest.param(
            "[NaN]", "the number NaN is not exact; only whole numbers are read", id="no number"
        ),
        pytest.param(
            "-Infinity",
            "the number -Infinity is not exact; only whole numbers are read",
            id="infinity",
        ),
        pytest.param('{"a":1,"a":1}', "an object repeats one of its keys", id="repeated key"),
        pytest.param(
            '[{"b":{"a":1,"a":2}}]', "an object repeats one of its keys", id="deep inside"
        ),
    ],
)
def test_refused_texts(text, reason):
    """A text that is not exact is refused with the reason."""
    with pytest.raises(MalformedFactError) as refused:
        load_strict(text)

    assert reason == str(refused.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(1.5, "value holds 1.5, which is not exact JSON", id="float"),
        pytest.param((1,), "value holds (1,), which is not exact JSON", id="tuple"),
        pytest.param(
            {"a": [0, {"b": {1}}]}, "value.a[1].b holds {1}, which is not exact JSON", id="deep set"
        ),
        pytest.param({1: 1}, "value has the key 1, which is no text", id="a key that is no text"),
        pytest.param(
            {"a": {None: 1}}, "value.a has the key None, which is no text", id="no key, deep inside"
        ),
    ],
)
def test_refused_values(value, reason):
    """A value that would not survive a round trip is refused with its place."""
    with pytest.raises(MalformedFactError) as refused:
        dump_canonical(value)

    assert reason == str(refused.value)


def test_the_place_is_the_callers():
    """The place in the sentence begins with the caller's word for the value."""
    with pytest.raises(MalformedFactError) as refused:
        require_json("facts", {"payment": {"created": 0.5}})

    assert "facts.payment.created holds 0.5, which is not exact JSON" == str(refused.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param([1], "thing must be an object, not [1]", id="a list"),
        pytest.param(None, "thing must be an object, not None", id="nothing"),
        pytest.param(
            {"a": 1, "b": 2, "y": 3, "x": 4}, "thing has unknown keys: x, y", id="unknown"
        ),
        pytest.param({}, "thing lacks keys: a, b", id="missing"),
        pytest.param({"a": 1, "x": 2}, "thing has unknown keys: x", id="unknown before missing"),
    ],
)
def test_keys(value, reason):
    """An object has the keys that were asked for, all of them and no other."""
    with pytest.raises(MalformedFactError) as refused:
        exact_keys(value, "thing", ("b", "a"))

    assert reason == str(refused.value)
    assert {"a": 1, "b": None} == exact_keys({"b": None, "a": 1}, "thing", ("a", "b"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("ab", "'ab'", id="text"),
        pytest.param({"a": 1}, "{'a': 1}", id="object"),
        pytest.param((1,), "(1,)", id="tuple"),
    ],
)
def test_arrays(value, shown):
    """A list is a list, and nothing else that could be walked through."""
    with pytest.raises(MalformedFactError) as refused:
        array(value, "things")

    assert f"things must be a list, not {shown}" == str(refused.value)
    assert [1, "a"] == array([1, "a"], "things")
