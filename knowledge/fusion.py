"""Several rankings into one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def weigh(signals: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """Return one score for each candidate: the weighted sum of what the rankings saw in it.

    Args:
        signals: [candidates, rankings].
        weights: one for each ranking.
    Returns:
        [candidates], higher for better.
    Raises:
        ValueError: there is not one weight for each ranking.
    Source: the linear combination of Fox and Shaw, TREC-2 1994.
    """
    if signals.shape[1] != len(weights):
        raise ValueError(f"{signals.shape[1]} rankings, {len(weights)} weights")
    # In double precision and one column after the other, so that every machine adds in the same order.
    total = np.zeros(len(signals), dtype=np.float64)
    for column, weight in enumerate(weights):
        total += signals[:, column].astype(np.float64) * weight
    return total.astype(np.float32)
