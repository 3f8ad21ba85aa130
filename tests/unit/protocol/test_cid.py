"""CIDs against values of a real Kubo daemon and published ones, and hostile text."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.content.cid import (
    LINKS_PER_NODE,
    MAX_NODE_BYTES,
    Cid,
    blocks_of,
    cid_of,
    file_bytes_of,
    is_tree_node,
)
from protocol.errors import MalformedError
from protocol.identifiers import sha256

EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
# (size, chunk, CID): ``ipfs add --only-hash`` of Kubo 0.44.0-dev over the bytes 0..250 repeated
KUBO = [
    (1, 262144, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"),
    (262144, 262144, "bafkreibruh455iawsviqslif5c7uurdcfdemh22mtnytyzvnzn75kpejxy"),
    (262145, 262144, "bafybeiexg2oqkfnj56l7fcmawswqbijt5shq4b5rg6a546uwpkqqzwjioi"),
    (1000000, 262144, "bafybeibx62obrkybp46hx3ivh53q4rnptgkunpgtwiib5lfelfgt2ekihm"),
    (32769, 32768, "bafybeicwkonzoxutan5lax2blzbeynu254vsdlh5yguawtnfd7m3rtkfte"),
    (400000, 32768, "bafybeib2dfn3sji6jyr4chsdgix7ex76eh5wvtmw6zyyqx5lqyarfmf454"),
    (5701632, 32768, "bafybeig253rk73z42p25jlbiuwwzzk4x5sd5twyn4hdkuv2ftrn6kzkj3q"),
    (5701633, 32768, "bafybeihqogobd3eupbaixgjbqcdhuy4fbybpa5yepoczboiigzemwbbj7u"),
    (1937665, 64, "bafybeihknmejrtn5lorcpcuwvzzeceiljl4kwesuymzyrwh2qwrih4nm44"),
]


def test_published_values() -> None:
    assert cid_of(b"").text == EMPTY
    assert cid_of(b"hello world").text == HELLO
    assert Cid.parse(HELLO) == Cid("raw", sha256(b"hello world"))


@pytest.mark.parametrize(("size", "chunk_bytes", "text"), KUBO)
def test_equal_to_kubo(size: int, chunk_bytes: int, text: str) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    assert cid_of(data, chunk_bytes).text == text


@pytest.mark.parametrize(
    ("leaves", "nodes"), [(1, 0), (2, 1), (174, 1), (175, 3), (174 * 174, 175), (174 * 174 + 1, 178)]
)
def test_the_tree_is_balanced_with_174_links(leaves: int, nodes: int) -> None:
    blocks = list(blocks_of(random.Random(leaves).randbytes(leaves * 8), 8))
    assert [block.cid.codec for block in blocks] == ["raw"] * leaves + ["dag-pb"] * nodes
    assert all(block.cid.digest == sha256(block.data) for block in blocks)
    for node in blocks[leaves:]:
        assert is_tree_node(node.data) and len(node.data) <= MAX_NODE_BYTES
        assert node.data.count(b"\x0a\x24\x01") <= LINKS_PER_NODE
    if nodes:
        assert file_bytes_of(blocks[-1].data) == leaves * 8


@given(st.binary(max_size=300), st.integers(1, 64))
def test_any_changed_byte_changes_the_address(data: bytes, chunk_bytes: int) -> None:
    cid = cid_of(data, chunk_bytes)
    assert Cid.parse(cid.text) == cid
    assert cid_of(data + b"\0", chunk_bytes) != cid
    if data:
        assert cid_of(bytes([data[0] ^ 1]) + data[1:], chunk_bytes) != cid


@given(st.text(max_size=70) | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=58, max_size=58).map("b".__add__))
@example(HELLO.upper())
@example(HELLO[:-1] + "f")  # a spare bit set
@example("z" + HELLO[1:])
@example(HELLO + "\n")
@example("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn")
def test_hostile_text_is_malformed_or_canonical(text: str) -> None:
    try:
        cid = Cid.parse(text)
    except MalformedError:
        return
    assert cid.text == text and text not in (HELLO.upper(), HELLO[:-1] + "f")


@pytest.mark.parametrize("position", range(4))
def test_another_version_codec_or_hash_is_refused(position: int) -> None:
    class Forged(Cid):
        @property
        def binary(self) -> bytes:
            binary = bytearray(super().binary)
            binary[position] ^= 0x01
            return bytes(binary)

    with pytest.raises(MalformedError):
        Cid.parse(Forged("raw", bytes(32)).text)


def test_a_wrong_digest_length_codec_or_chunk_size_is_refused() -> None:
    with pytest.raises(MalformedError):
        Cid("raw", bytes(31))
    for chunk_bytes in (0, -1, 2**21):
        with pytest.raises(MalformedError):
            cid_of(b"x", chunk_bytes)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\x12\x80" + tail))
def test_a_hostile_node_is_malformed_or_has_a_size(node: bytes) -> None:
    with suppress(MalformedError):
        assert file_bytes_of(node) >= 0
