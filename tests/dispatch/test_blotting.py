"""What looks like a key is blotted out of a receiver's words, and nothing that answers say anyway."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch.blotting import Blotter
from tests.dispatch.own_receiver import own_settings

KEY = "3f9c0a71b2d4e586"


@pytest.mark.parametrize(
    "call",
    [
        {"path": f"/create/{KEY}"},
        {"path": f"/create?no={{{{ case.case_no }}}}&key={KEY}"},
        {"path": f"/u/{{{{ case.case_no }}}}/{KEY}"},
        {"path": f"//create?x={KEY}"},
        {"path": "/create", "body": {"app": [KEY]}},
        {"path": "/create", "body": {"a": {"appKey": KEY}}},
    ],
)
def test_a_key_is_blotted_wherever_it_stands(call: dict[str, Any]) -> None:
    settings = own_settings("http://oa.example/api", calls={"case.created": call})

    assert Blotter(settings).blot(f"no entry for {KEY}".encode()) == b"no entry for ***"


def test_words_and_numbers_of_a_body_are_left_as_they_are() -> None:
    body = {"type": "petition", "workflowId": "20260301", "text": "{{ case.title }} 来自信桥", "state": "accepted"}
    settings = own_settings("http://oa.example/api", calls={"case.created": {"path": "/create", "body": body}})
    said = '{"message": "the petition 20260301 was not accepted", "text": "来自信桥"}'.encode()

    assert Blotter(settings).blot(said) == said


def test_a_word_is_blotted_where_its_field_is_named_for_keys() -> None:
    body = {"app_secret": "onlyletters"}
    settings = own_settings("http://oa.example/api", calls={"case.created": {"path": "/create", "body": body}})

    assert Blotter(settings).blot(b"onlyletters") == b"***"


@pytest.mark.parametrize("spelled", ["P@ss!word9", "P%40ss!word9", "P%40ss%21word9"])
def test_a_proxys_password_is_blotted_as_it_is_and_however_an_address_writes_it(spelled: str) -> None:
    settings = own_settings("http://oa.example/api", proxy="http://u:P%40ss!word9@proxy.example:3128")

    assert Blotter(settings).blot(f"http://u:{spelled}@proxy.example".encode()) == b"http://u:***@proxy.example"


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_secret_that_is_no_ascii_is_blotted_in_whatever_charset_it_is_repeated(charset: str) -> None:
    secret = "云堤区教育局口令"
    blotter = Blotter(own_settings("http://oa.example/api"))
    blotter.add([secret])

    assert blotter.blot(f"口令：{secret}。".encode(charset)) == "口令：***。".encode(charset)
