"""An invitation has one text, and nothing but that text is one."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.domain import Domain
from protocol.errors import Party
from protocol.identifiers import sha256
from protocol.invitation import MAX_CHARACTERS, MAX_URLS, Invitation, InvitationError, parse_invitation

LEDGER = bytes(range(20))
ONE = Invitation(Domain(31337, LEDGER, 5), 7, sha256(b"spec"), ("https://edge.example", "http://127.0.0.1:8000/a/b"))
VECTORS = {
    ONE: (
        "hearth:31337:0x000102030405060708090a0b0c0d0e0f10111213@5/7/"
        "0xd4f02eaafd1a9e9de7d10972ca8e47fa7a985825c3c9c1e249c72683cb3e4f19"
        "?edge=https://edge.example&edge=http://127.0.0.1:8000/a/b"
    ),
    Invitation(Domain(1, b"\xff" * 20), 1, bytes(32), ("http://[2001:db8::7]:80",)): (
        f"hearth:1:0x{'ff' * 20}/1/0x{'00' * 32}?edge=http://%5B2001:db8::7%5D:80"
    ),
    Invitation(Domain(1, b"\xff" * 20), 1, bytes(32), ("http://a",), bytes(range(20))): (
        f"hearth:1:0x{'ff' * 20}/1/0x{'00' * 32}?edge=http://a&voucher=aaaqeayeaudaocajbifqydiob4ibceqt"
    ),
}
LABELS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
HOSTS = st.one_of(st.lists(LABELS, min_size=1, max_size=4).map(".".join), st.sampled_from(["[::1]", "[2001:db8::7]"]))
URLS = st.builds(
    lambda scheme, host, port, path: (
        f"{scheme}://{host}" + (f":{port}" if port else "") + "".join(f"/{p}" for p in path)
    ),
    st.sampled_from(["http", "https"]),
    HOSTS,
    st.integers(0, 65_535),
    st.lists(st.text(string.ascii_letters + string.digits + "._~-", min_size=1, max_size=10), max_size=2),
)
INVITATIONS = st.builds(
    Invitation,
    st.builds(Domain, st.integers(1, 2**256 - 1), st.binary(min_size=20, max_size=20), st.integers(0, 10**18 - 1)),
    st.integers(1, 2**256 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(URLS, min_size=1, max_size=4, unique=True).map(tuple),
    st.one_of(st.just(b""), st.binary(min_size=20, max_size=20)),
)


@pytest.mark.parametrize(("invitation", "text"), VECTORS.items())
def test_the_text_is_the_one_that_other_programs_write(invitation: Invitation, text: str) -> None:
    assert str(invitation) == text
    assert parse_invitation(text) == invitation and str(parse_invitation(text)) == text


@given(INVITATIONS)
@example(replace(ONE, edge_urls=("http://[::1]:1",)))
def test_what_is_written_is_read(invitation: Invitation) -> None:
    text = str(invitation)
    found = parse_invitation(text)
    assert found == invitation and found.domain.first_block == invitation.domain.first_block and str(found) == text
    assert text.isascii() and text.isprintable() and " " not in text and len(text) <= MAX_CHARACTERS


@given(st.one_of(st.text(max_size=300), st.text(max_size=40).map(lambda tail: str(ONE) + tail)))
@example("hearth:" * 400)
@example(str(ONE) + "\n")
@example(str(ONE).replace("hearth:", "HEARTH:"))
def test_whatever_arrives_gives_an_invitation_or_that_one_error(text: str) -> None:
    try:
        found = parse_invitation(text)
    except InvitationError as error:
        code, fault = error.code, error.fault
    else:
        assert str(found) == text
        return
    assert (code, fault) == ("E_INVITATION", Party.OURS)


@given(st.data())
def test_a_letter_more_less_or_other_is_never_another_text_of_the_same_invitation(data: st.DataObject) -> None:
    text = str(ONE)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(["", "0", "%", "A", "/", "&", "?", "@", "\u0660", text[place] * 2]))
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        try:
            assert parse_invitation(changed) != ONE or "@" in changed  # another block is another place to begin
        except InvitationError:
            pass


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@edge.example", "https://user@edge.example", "ftp://edge.example", "javascript:alert(1)",
        "https://edge.example/", "https://edge.example?a=b", "https://edge.example#x", "https://EDGE.example",
        "https://edge.example:0", "https://edge.example:70000", "https://edge.example:080", "//edge.example", "",
        "https://edge..example", "https://-edge.example", "https://\u0435dge.example", "https://edge.example/../x y",
        "https://edge.example/%2e", "https://edge.example/a&edge=http:", "https://[::1", "https://" + "a" * 200,
    ],
)  # fmt: skip
def test_a_url_that_is_no_plain_address_of_a_server(url: str) -> None:
    with pytest.raises(InvitationError) as refused:
        replace(ONE, edge_urls=(url,))
    assert "secret" not in str(refused.value)
    with pytest.raises(InvitationError) as refused:
        parse_invitation(f"{str(ONE).partition('?')[0]}?edge={url}")
    assert "secret" not in str(refused.value)


def test_sizes_and_repetitions() -> None:
    urls = tuple(f"https://{number}.example" for number in range(MAX_URLS + 1))
    assert parse_invitation(str(replace(ONE, edge_urls=urls[:-1]))).edge_urls == urls[:-1]
    for wrong in (
        (),
        urls,
        (urls[0], urls[0]),
        tuple(f"https://{n}.{'a' * 60}.{'b' * 60}.{'c' * 50}" for n in range(12)),
    ):
        with pytest.raises(InvitationError):
            replace(ONE, edge_urls=wrong)
    for changed in (
        {"task": 0}, {"task": 2**256}, {"spec": b"short"}, {"domain": Domain(0, LEDGER)}, {"domain": Domain(1, b"")},
        {"domain": Domain(1, LEDGER, 10**18)},
    ):  # fmt: skip
        with pytest.raises(InvitationError):
            replace(ONE, **changed)


@pytest.mark.parametrize(
    "code", ["", "a" * 31, "a" * 33, "A" * 32, "1" * 32, "a" * 32 + "=", "a" * 32 + "&voucher=" + "a" * 32]
)
def test_a_code_has_one_text(code: str) -> None:
    with pytest.raises(InvitationError):
        parse_invitation(f"{ONE}&voucher={code}")
    with pytest.raises(InvitationError):
        parse_invitation(str(ONE).replace("?", f"?voucher={'a' * 32}&"))


def test_a_code_is_shown_in_no_message() -> None:
    assert repr(replace(ONE, voucher_code=b"\7" * 20)) == repr(ONE)
    with pytest.raises(InvitationError, match="20 bytes"):
        replace(ONE, voucher_code=b"\7" * 19)
