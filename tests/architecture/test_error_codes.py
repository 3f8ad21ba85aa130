"""Programs compare error codes, also those of other versions: none changes its name, and none comes or goes unseen."""

from __future__ import annotations

import re

from protocol.errors import HearthError
from tests.tracked import ROOT, tracked

PRODUCT = {"backend", "client_agent", "protocol", "scripts", "storage"}
CODES = set(
    """
    E_API E_AUDIT_MISMATCH E_AUTHORITY E_BAD_SIG E_BUDGET E_CHAIN E_CLAIM_FIRST E_COMMITTEE E_CONCENTRATION
    E_CONTENT E_CONTENT_CORRUPT E_CONTENT_MISSING E_CONTENT_TOO_LARGE E_DATA_MISSING E_DATA_SET E_DEPLOYMENT
    E_DEPOSIT E_DESK E_DOCUMENT_ABSENT E_DUP_CLIENT E_EDGE_REFUSED E_EDGE_UNAVAILABLE E_ENCRYPTION E_ENDPOINTS
    E_ENROLMENT E_ENROLMENT_OVER E_EPOCH E_EXPIRED E_FALSE_PROOF E_FOLDER_BOUND E_FULL E_FUNDS E_GAS_LIMIT
    E_GAS_SNAPSHOT E_HEARTH
    E_INTERNAL E_KEYS_AWAITED E_KEYSTORE E_KIND E_LABEL_USED E_LEDGER E_MALFORMED E_METHOD E_MIN_PARTICIPANTS
    E_MISSING_EVIDENCE E_NOTHING E_NOT_FOUND E_NOT_INCLUDED E_NOT_ON_CHAIN E_NOT_READY E_NOT_RECORDED E_NOT_VERIFIED
    E_NO_PRIVACY E_PARAMS E_PLACED E_POLICY E_PRIVACY_BUDGET E_PROOF_FILE E_PUBLIC_KEY E_RANGE E_RECORDS
    E_RECORDS_BUSY E_RECORDS_DAMAGED E_RECORDS_OVERTAKEN E_REFUSED E_REQUEST E_RESIDUAL E_REVERTED E_ROLE
    E_ROLE_FAILED E_ROUND E_SAMPLER E_SHARES E_SHARE_INCONSISTENT E_SHARE_MISSING E_SIGHTED E_SIGHTINGS E_STAKE
    E_STANDBY E_STARTING E_STOPPED E_STORE_UNAVAILABLE E_SUBMITTED E_TESTNET E_TIMEOUT E_TOOL_MISSING E_TOO_EARLY
    E_TOO_LARGE E_TOO_SLOW E_UNAVAILABLE E_UNDERIVABLE E_UNKNOWN_CLIENT E_UNPAID E_UNVERIFIED_ENDPOINT E_VERIFICATION
    E_WEIGHT E_WINDOW
    E_WRONG_CHAIN
    """.split()
)


def test_every_code_is_in_this_list_and_the_other_way_round() -> None:
    sources = [path for path in tracked(".py") if path.relative_to(ROOT).parts[0] in PRODUCT]
    found = {code for path in sources for code in re.findall(r'"(E_[A-Z][A-Z0-9_]*)"', path.read_text())}
    assert found == CODES


def test_every_code_can_pass_from_one_process_to_another() -> None:
    assert {HearthError("", code=code).code for code in CODES} == CODES
