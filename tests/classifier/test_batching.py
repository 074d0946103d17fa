"""Batches hold every text once, and a text's padded length is its own affair."""

from hypothesis import given
from hypothesis import strategies as st

from classifier.batching import padded_length, plan

LENGTHS = st.lists(st.integers(0, 200), max_size=80)


@given(lengths=LENGTHS, budget=st.integers(1, 2000), rows=st.none() | st.integers(1, 9))
def test_every_text_is_in_one_batch_with_others_of_its_padded_length(lengths, budget, rows):
    """Count is kept, budgets hold, and one text always fits."""
    batches = plan(lengths, budget, rows)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        widths = {padded_length(lengths[index]) for index in batch}
        assert len(widths) == 1
        assert len(batch) == 1 or len(batch) * widths.pop() <= budget
        assert rows is None or len(batch) <= rows


def test_batches_are_sorted_by_length():
    """Long texts first: the last batches to finish are short."""
    assert plan([3, 29, 9, 4, 30], budget=64) == [[4, 1], [2], [3, 0]]


def test_padded_lengths_are_multiples_of_two():
    """Never zero, and never less than the text."""
    assert [padded_length(tokens) for tokens in (0, 1, 2, 3, 64, 65)] == [2, 2, 2, 4, 64, 66]
