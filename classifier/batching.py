"""Which texts are computed together: pure, by length.

A text's scores must not depend on who shares its batch. What onnxruntime computes for a row
depends on the shapes alone, and was measured (1.32, AVX2, fp32) to change in one case: one
row takes other kernels than two (1e-7 in a logit). So a row's padded length is chosen from
its own tokens only, a batch holds rows of one padded length, and never fewer than two.
"""

from collections.abc import Sequence

# Padding is 2% of the tokens of headlines then; with 8 it was 11%, and with 1 the batches are small.
STEP = 2


def padded_length(tokens: int, step: int = STEP) -> int:
    """Return the multiple of `step` that holds so many tokens; chosen by this text alone."""
    return max(step, -(-tokens // step) * step)


def plan(lengths: Sequence[int], budget: int, rows: int | None = None) -> list[list[int]]:
    """Return batches of indices, longest first, each of one padded length.

    `lengths` are tokens by text; a batch has at most `budget` tokens, padding included (one
    text always fits), and at most `rows` texts. Every index occurs once; order is by length,
    then index, so that the same texts give the same batches.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    width = 0
    for index in order:
        length = padded_length(lengths[index])
        most = max(1, budget // length)
        if rows is not None:
            most = min(most, rows)
        if not batches or length != width or len(batches[-1]) >= most:
            batches.append([])
            width = length
        batches[-1].append(index)
    return batches
