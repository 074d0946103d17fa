"""Texts are read as they are: order and number are kept whatever the bytes."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.errors import InputError
from classifier.lines import classify, read_csv, read_lines
from classifier.scores import Scores


class Echo:
    """A model that answers with the length of the text, and notes the sizes of its batches."""

    name = "echo"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def score(self, texts):
        self.batches.append(len(texts))
        return [Scores({"A": 0.0, "B": float(len(text))}, {"negative": 0.1, "neutral": 0.7,
                "positive": 0.2}, truncated=len(text) > 9) for text in texts]


@pytest.mark.parametrize(
    ("given_bytes", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\n", ["a\r", "b"]),
        ("a\x85b\u2028c\u2029d\x0be\x0cf\rg\n".encode(), ["a\x85b\u2028c\u2029d\x0be\x0cf\rg"]),
        (b"\xff\xfe\n\x00\n", ["\ufffd\ufffd", "\x00"]),
        ("中\U0001f600\n".encode(), ["中\U0001f600"]),
    ],
)
def test_only_lf_ends_a_line(given_bytes, expected):
    """Bad UTF-8 is replaced; nothing is dropped."""
    assert expected == list(read_lines(io.BytesIO(given_bytes)))


@given(st.binary(max_size=300))
def test_there_are_as_many_lines_as_line_feeds_say(content):
    """A last line without LF counts."""
    expected = content.count(b"\n") + bool(content and not content.endswith(b"\n"))
    assert expected == len(list(read_lines(io.BytesIO(content))))


def test_a_line_of_ten_megabytes_is_one_line():
    """And those around it are theirs."""
    lines = list(read_lines(io.BytesIO(b"a\n" + b"x" * 10_000_000 + b"\nb")))
    assert [1, 10_000_000, 1] == [len(line) for line in lines]


CELLS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=20))
def test_cells_come_back_as_they_were_written(tmp_path_factory, rows):
    """Quotes, commas, newlines in cells, NUL, NA: text is text."""
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("id", "text"), *rows])
    assert [text for _, text in rows] == list(read_csv(path, "text"))


def test_not_available_is_a_word(tmp_path):
    """Neither NA nor an empty cell is turned into something else; a short row is empty."""
    path = tmp_path / "x.csv"
    path.write_bytes(b'\xef\xbb\xbftext,n\nNA,1\n,2\nnan,3\n"a\nb",4\n')
    assert ["NA", "", "nan", "a\nb"] == list(read_csv(path, "text"))
    assert ["1", "2", "3", "4"] == list(read_csv(path, "n"))
    path.write_bytes(b"n,text\n1,a\n2\n\n3,c")
    assert ["a", "", "c"] == list(read_csv(path, "text"))


def test_a_large_cell_and_bad_utf8_are_read(tmp_path):
    """The csv module's limit of 128 KB is not ours."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"text\n" + b"y" * 10_000_000 + b"\n\xff\n")
    assert ["y" * 10_000_000, "\ufffd"] == list(read_csv(path, "text"))


@pytest.mark.parametrize(("content", "hint"), [("a,b\n1,2\n", "a, b"), ("", "empty")])
def test_a_missing_column_names_those_there_are(tmp_path, content, hint):
    """At once, before anything is scored."""
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(InputError, match="no column 'text'") as caught:
        read_csv(path, "text")
    assert hint in caught.value.hint


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    """Its name is in the error."""
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv", "text")


def test_a_hundred_thousand_rows_take_flat_memory(tmp_path):
    """Texts are read and scored as they are asked for."""
    path = tmp_path / "x.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(f'{n},"Shares, of a company {n}\nfall"\n' for n in range(100_000))
    tracemalloc.start()
    count = sum(1 for _ in classify(read_csv(path, "text"), Echo()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 3_000_000


def test_an_object_has_exactly_what_the_command_promises():
    """The most probable label is named; the rest is there."""
    assert [
        {
            "topic": "B", "topics": {"A": 0.0, "B": 10.0}, "sentiment": "neutral",
            "sentiments": {"negative": 0.1, "neutral": 0.7, "positive": 0.2},
            "model": "echo", "truncated": True,
        }
    ] == list(classify(["0123456789"], Echo()))


def test_batches_are_limited_by_number_and_by_characters():
    """Ten-megabyte lines do not pile up."""
    model = Echo()
    texts = ["a"] * 5 + ["x" * 5_000_000] * 2
    assert [1] * 5 + [5_000_000] * 2 == [
        int(found["topics"]["B"]) for found in classify(iter(texts), model, chunk=3)
    ]
    assert model.batches == [3, 3, 1]


def test_odd_texts_are_classified_in_order_and_number(tiny_model):
    """With the real model."""
    lines = b"\n\xff\n\x00\n" + "中央\n\U0001f600\n".encode() + b"z" * 10_000_000 + b"\nlast"
    found = list(classify(read_lines(io.BytesIO(lines)), tiny_model))
    assert len(found) == 7
    assert [False] * 5 + [True, False] == [one["truncated"] for one in found]
