"""Several rankings into one."""

from collections.abc import Mapping, Sequence


def fuse(rankings: Sequence[tuple[float, Mapping[int, float]]]) -> list[tuple[int, float]]:
    """Merge rankings by a weighted sum of their scores, each scaled so that its best candidate has 1.

    Args:
        rankings: (weight, {candidate: score}); a candidate absent from one gains nothing from it, a score that is
            not positive counts as absent.
    Returns:
        (candidate, score), best first, scores from 0 to 1; equal scores in candidate order, so that runs repeat.
    Raises:
        ValueError: the weights are not positive.
    Source: the weighted-sum combination of Fox and Shaw, TREC-2 1994, with maximum normalisation.
    """
    total = sum(weight for weight, _ in rankings)
    if any(weight < 0 for weight, _ in rankings) or (rankings and total <= 0):
        raise ValueError("weights must not be negative, and one must be positive")
    fused: dict[int, float] = {}
    for weight, scores in rankings:
        best = max(scores.values(), default=0.0)
        if best <= 0:
            continue
        for candidate, score in scores.items():
            fused[candidate] = fused.get(candidate, 0.0) + max(0.0, score) / best * weight / total
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))
