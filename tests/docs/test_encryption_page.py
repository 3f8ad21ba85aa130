"""docs/encryption.md has the numbers, tags, errors and known answers of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocol.encryption.fe64 import encoding, gaussian, ring
from protocol.encryption.pad.encoding import BLOCK, MODULI, RESERVE
from protocol.encryption.weights import MAX_WEIGHT
from protocol.round import key_request

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "encryption.md").read_text()
WORDS = " ".join(PAGE.split())  # lines joined
TAG = r'"((?:FE64|PAD|HEARTH)/[A-Za-z0-9/-]+)"'
CODE = {path: path.read_text() for path in sorted((ROOT / "protocol").rglob("*.py"))}


@pytest.mark.parametrize(
    "line",
    [
        f"N = {ring.DEGREE}",
        *(f"q{i} = {prime}" for i, prime in enumerate(ring.PRIMES)),
        f"T = q0 q1 = {ring.PLAINTEXT_MODULUS}",
        f"psi = {', '.join(map(str, ring.ROOTS))}",
        f"sigma = {gaussian.SIGMA} sqrt(1 + {gaussian.SPREAD}^2)",
        f"y_max = {MAX_WEIGHT}",
        ", ".join(map(str, ring.SCALES)),
        ", ".join(map(str, ring.FRACTIONS)),
        f"(q_i - 1) / (2 q_i)) = {ring.ROUNDING}",
        f"uniform ring element from {ring.STREAM_BYTES:,} bytes",
        f"{ring.DEGREE} main words and {ring.RESERVE_WORDS} reserve words",
        f"alias table of {gaussian.BINS} bins",
        f"values beyond ±{gaussian.GAUSSIAN_LIMIT}",
        f"<= {encoding.MAX_RESIDUAL_BOUND} else E_BUDGET",
        f"2^32 - {2**32 - MODULI[4]} for w = 4, 2^48 - {2**48 - MODULI[6]} for w = 6",
        f"Coordinates in blocks of {BLOCK},",
        f"then {RESERVE} reserve words",
    ],
)
def test_constants(line: str) -> None:
    assert line in WORDS


def test_fields_and_their_caps() -> None:
    rows = re.findall(r"^\| (\d) \| (\d\d) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert [tuple(map(int, row)) for row in rows] == [(k, w, encoding._CAPS[k]) for k, w in encoding.WIDTHS.items()]
    for packing, width, cap in (map(int, row) for row in rows):
        assert cap < 2**width, "a full field stays in its place"
        assert cap + 1 <= ring.PLAINTEXT_MODULUS >> width * (packing - 1), "full fields stay below T"


def test_the_weights_that_fit_a_field() -> None:
    rows = re.findall(r"^\| (\d) \| (\d+) \| (\d+) \| [\d.]+ \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for packing, bits, largest in (map(int, row) for row in rows):
        assert largest == encoding._CAPS[packing] // ((1 << bits) - 1)


def test_the_squares_that_the_noise_allows() -> None:
    (found,) = re.findall(r"S <= (\d+)\.", PAGE)
    assert encoding.residual_bound([1] * int(found)) == encoding.MAX_RESIDUAL_BOUND
    assert encoding.residual_bound([1] * (int(found) + 1)) > encoding.MAX_RESIDUAL_BOUND


def test_tags_are_those_of_the_code() -> None:
    code = set().union(*(re.findall(f"b{TAG}", text) for text in CODE.values()))
    assert set(re.findall(TAG, PAGE)) == code


def test_errors_are_those_of_the_code() -> None:
    page = set(re.findall(r"\bE_[A-Z_]+\b", PAGE))
    encrypting = {ROOT / "protocol" / "round" / "key_request.py", *(ROOT / "protocol" / "encryption").rglob("*.py")}
    codes = {code for path in encrypting for code in re.findall(r'"(E_[A-Z_]+)"', CODE[path])}
    assert codes <= page
    everywhere = "".join(path.read_text() for name in ("protocol", "backend") for path in (ROOT / name).rglob("*.py"))
    assert {code for code in page if f'"{code}"' not in everywhere} == set()


def test_the_order_of_the_policy() -> None:
    """Steps 11 to 17 are those of ``check_request``, in its order."""
    rows = re.findall(r"^\| 1[1-7] \| .* \| `(E_[A-Z_]+)` \|$", PAGE, re.MULTILINE)
    assert rows == re.findall(r"E_[A-Z_]+", key_request.check_request.__doc__ or "")


def test_known_answers_are_the_tested_ones() -> None:
    tested = (ROOT / "tests" / "unit" / "encryption" / "test_known_answers.py").read_text()
    digests = re.findall(r"\b[0-9a-f]{64}\b", tested)
    assert len(digests) > 10
    assert set(re.findall(r"\b[0-9a-f]{64}\b", PAGE)) == set(digests)
    for word in re.findall(
        r"\b(?:[0-9a-f]{16}|\d{7,10}|\d{12,15})\b", PAGE[PAGE.index("### 3.9") : PAGE.index("### 3.10")]
    ):
        assert word in tested
