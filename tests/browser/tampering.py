"""Starts ``hearth serve edge`` so that it changes each model that it publishes, once its folder has ``tamper``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

TAMPER: Final = "tamper"  # beside the role's log


def arm() -> None:
    from protocol.model.trained import TrainedModel
    from protocol.round.stepping import Stepping

    honest = Stepping.after

    def after(self: Stepping, sums: npt.NDArray[np.int64]) -> TrainedModel:
        model = honest(self, sums)
        if not Path(TAMPER).exists():
            return model
        return replace(model, parameters=model.parameters + np.float32(0.5))

    Stepping.after = after  # type: ignore[method-assign]


if __name__ == "__main__":
    arm()
    from scripts.cli import main

    sys.argv = ["hearth", *sys.argv[1:]]
    main()
