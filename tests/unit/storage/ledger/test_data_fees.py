"""The OP stack's data fee, held against published vectors and a transaction that OP Mainnet charged for."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from storage.ledger.ethereum.data_fees import CALLDATA_GAS, DataPrices, data_fee, estimated_size, fastlz_length
from storage.ledger.ethereum.node import Node
from storage.ledger.ethereum.op_stack import ORACLE, data_prices
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.interface import LedgerError
from tests.tracked import ROOT

# each list names its source: repository, file, test, commit
VECTORS = json.loads((ROOT / "tests" / "vectors" / "op_stack_data_fees.json").read_text())


def content(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["bytes"]) if "bytes" in vector else bytes.fromhex(vector["repeat"]) * vector["times"]


@pytest.mark.parametrize("vector", VECTORS["lengths"]["vectors"], ids=lambda vector: vector["length"])
def test_compressed_lengths_are_the_published_ones(vector: dict[str, Any]) -> None:
    assert fastlz_length(content(vector)) == vector["length"]


@pytest.mark.parametrize("vector", VECTORS["fees"]["vectors"], ids=lambda vector: vector["fee"])
def test_fees_are_the_published_ones(vector: dict[str, Any]) -> None:
    prices = DataPrices(
        *(vector[name] for name in ("base_fee", "blob_base_fee", "base_fee_scalar", "blob_base_fee_scalar"))
    )
    assert data_fee(content(vector), prices) == vector["fee"]
    if "data_gas" in vector:
        assert estimated_size(content(vector)) * CALLDATA_GAS // 10**6 == vector["data_gas"]


def decompressed_length_bound(data: bytes) -> int:
    """What no compression of this kind stays below: 262 bytes in three."""
    return 3 * (len(data) // 265)


def test_what_cannot_be_compressed_grows_by_one_byte_in_32() -> None:
    data = random.Random(1).randbytes(4096)
    assert fastlz_length(data) == 4096 + 4096 // 32
    lengths = [fastlz_length(bytes(range(size))) for size in range(257)]
    assert lengths == sorted(set(lengths)), "each byte more is a byte more"


@pytest.mark.parametrize("size", [1, 2, 3, 12, 13, 14, 15, 16, 17, 100, 8191, 8192, 8193, 20_000])
def test_any_bytes_have_a_length(size: int) -> None:
    """Repetitions at every distance, and at the very end, where none is looked for."""
    source = random.Random(size)
    for distance in (1, 3, size // 2 + 1, size):
        piece = source.randbytes(distance)
        data = (piece * (size // distance + 1))[:size]
        assert decompressed_length_bound(data) <= fastlz_length(data) <= size + size // 32 + 1


class Oracle:
    """A node with the oracle of an OP stack chain, or without."""

    def __init__(self, answers: dict[str, int] | None) -> None:
        from eth_hash.auto import keccak

        self._answers = {keccak(f"{name}()".encode())[:4]: value for name, value in (answers or {}).items()}
        self.code = "0x" if answers is None else "0x60"

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        if method == "eth_getCode":
            assert bytes.fromhex(params[0][2:]) == ORACLE
            return {"result": self.code}
        selector = bytes.fromhex(params[0]["data"][2:])
        if selector not in self._answers:
            raise RpcRefusedError("eth_call", 3, "execution reverted", "0x")
        return {"result": "0x" + self._answers[selector].to_bytes(32, "big").hex()}


ANSWERS = {"isFjord": 1, "l1BaseFee": 7, "blobBaseFee": 1, "baseFeeScalar": 5227, "blobBaseFeeScalar": 1014213}


def test_prices_are_read_from_the_chains_own_oracle() -> None:
    assert data_prices(Node(Oracle(ANSWERS))) == DataPrices(7, 1, 5227, 1014213)  # type: ignore[arg-type]
    assert data_prices(Node(Oracle(None))) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("answers", [{}, {**ANSWERS, "isFjord": 0}, {"isFjord": 1}])
def test_an_oracle_of_another_kind_is_not_believed(answers: dict[str, int]) -> None:
    with pytest.raises(LedgerError):
        data_prices(Node(Oracle(answers)))  # type: ignore[arg-type]
