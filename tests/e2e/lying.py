"""Starts ``hearth`` with an authority that lies: ``lying.py ROUND ARGUMENTS...``. It changes the last number of what it
opens in this round, and signs that."""

from __future__ import annotations

import sys
from typing import Any

from backend.key_authority import screening
from protocol.messages.round import RoundPlan
from scripts.cli import main


def lie_in(number: int) -> None:
    right = vars(screening)["answer_openings"]

    def lying(plan: RoundPlan, request: Any, authority: Any, answers: bytes, sign: Any) -> Any:
        last = len(answers) - 6  # a word's first byte: no change of it reaches the modulus
        if plan.round == number:
            answers = answers[:last] + bytes([answers[last] ^ 1]) + answers[last + 1 :]
        return right(plan, request, authority, answers, sign)

    vars(screening)["answer_openings"] = lying


if __name__ == "__main__":
    lie_in(int(sys.argv[1]))
    sys.argv = ["hearth", *sys.argv[2:]]
    main()
