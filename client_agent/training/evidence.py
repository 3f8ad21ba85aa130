"""What a step leaves behind for the accountants of the household's own data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.round.training import StepEvidence


def evidence_of(norms: npt.NDArray[np.float64], clip: float) -> StepEvidence:
    """``norms``: of what was clipped, before it was, shape (n,)."""
    kept = np.minimum(norms, clip)
    return StepEvidence(len(norms), int((norms > clip).sum()), float(norms.max(initial=0.0)), float((kept**2).sum()))
