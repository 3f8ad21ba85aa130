"""What ``static/wallet.js`` is told about a draft: what it must find again in the call that it is given to sign."""

from __future__ import annotations

import json

from backend.dashboard.answers import Identity
from backend.dashboard.drafts import Drafted


def wallet_facts(found: Drafted, identity: Identity) -> str:
    """For a ``data-`` attribute. Without spec and digest the script signs in and uploads, but posts nothing."""
    draft = found.draft
    return json.dumps(
        {
            "chain": identity.chain_id,
            "ledger": identity.ledger,
            "draft": found.asked,
            "spec": None if draft is None else draft.spec,
            "digest": None if draft is None else draft.digest,
            "escrow": None if draft is None or draft.figures is None else str(draft.figures.escrow),
            "account": None if draft is None else draft.signed_in,
        },
        sort_keys=True,
    )
