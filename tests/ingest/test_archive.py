"""Archives: what rows are good, which are broken and why, and that nothing is lost."""

import csv
import gzip
import io
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.archive import Archive, Broken, Row, read, read_text
from ingest.errors import ArchiveError


def archive_of(tmp_path, *files):
    """Write files and read them together."""
    paths = [tmp_path / f"{number}.csv" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(paths)


@pytest.mark.parametrize(("written", "expected"), [
    ("2022-11-08T12:00:00Z", datetime(2022, 11, 8, 12, tzinfo=UTC)),
    ("2022-11-08T12:00:00.25+02:00", datetime(2022, 11, 8, 10, 0, 0, 250000, tzinfo=UTC)),
    ("2022-11-08 12:00:00", datetime(2022, 11, 8, 12, tzinfo=UTC)),
    ("1987-02-26T15:01:01.790000", datetime(1987, 2, 26, 15, 1, 1, 790000, tzinfo=UTC)),
    ("2022-11-08", datetime(2022, 11, 8, tzinfo=UTC)),
    ("Tue, 08 Nov 2022 12:00:00 +0100", datetime(2022, 11, 8, 11, tzinfo=UTC)),
])
def test_forms_of_time(tmp_path, written, expected):
    """RFC 3339, naive, date only, with fractions, and RFC 822."""
    found = archive_of(tmp_path, f'title,published\na,"{written}"\n')
    assert (Row(expected, "a"),) == found.rows


def test_columns_in_any_order_with_others_a_bom_and_newlines_in_cells(tmp_path):
    """Columns are found by name; quotes and line breaks in cells are kept apart from rows."""
    found = archive_of(tmp_path, '\ufefflink,extra,Title,published\r\nu,1,"a ""b""\nc",2022-11-08\r\n')
    assert (Row(datetime(2022, 11, 8, tzinfo=UTC), 'a "b"\nc', link="u"),) == found.rows


@pytest.mark.parametrize(("line", "reason"), [
    (b"2022-11-08,,,x", "empty"), (b"2022-11-08, ,\x01,", "empty"), (b"soon,a,b,x", "undated"),
    (b",a,b,x", "undated"), (b"1970-01-01,a,b,x", "implausible_date"),
    (b"9999-12-31,a,b,x", "implausible_date"),
    (b"2022-11-08,\xff\xfe,b,x", "encoding"), (b"2022-11-08,a\0b,b,x", "nul"), (b"2022-11-08,a", "malformed"),
    (b"2022-11-08,a,b,x,y", "malformed"), (b'2022-11-08,"a"b,b,x', "malformed"),
    (b'2022-11-08,"never closed', "malformed"), (b"2022-11-08," + b"w" * 200_000 + b",b,x", "too_large"),
])
def test_broken_rows_have_a_reason(tmp_path, line, reason):
    """One broken row is one dead letter, and the rows before it are good."""
    found = archive_of(tmp_path, b"published,title,summary,link\n2022-11-08,good,,y\n" + line + b"\n")
    assert (["good"], [reason], 2, 2) == (
        [row.title for row in found.rows], [item.reason for item in found.broken], found.read, found.distinct
    )


@pytest.mark.parametrize(("content", "message"), [
    (b"", "no column published and no column title"), (b"title,link\n", "no column published"),
    (b"title,title,published\n", "two columns"), (gzip.compress(b"published,title\n" * 99)[:-9], "end"),
    (b"\x1f\x8bnonsense", "0.csv"), (b"published,title\n2022-11-08," + b"w" * (17 << 20), "a cell is above"),
])
def test_what_cannot_be_read_is_a_clear_error(tmp_path, content, message):
    """A missing column, a cut gzip, a cell without end: the file is named, and what is wrong."""
    with pytest.raises(ArchiveError, match=message):
        archive_of(tmp_path, content)


def test_an_absent_file_is_a_clear_error(tmp_path):
    """The path is in the message."""
    with pytest.raises(ArchiveError, match=r"absent\.csv"):
        read([tmp_path / "absent.csv"])


def test_a_broken_row_with_the_id_of_a_good_one_is_no_dead_letter(tmp_path):
    """An item that is there is not lost; two broken rows of one item are one dead letter."""
    text = "published,title,link\n2022-11-08,a,http://x.org/1\n,a,https://X.org/1#f\n,b,http://x.org/2\n,b,http://x.org/2\n"
    found = archive_of(tmp_path, text)
    assert (1, 1, 2, 4) == (len(found.rows), len(found.broken), found.distinct, found.read)


cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
days = st.sampled_from(["2022-11-08", "2022-11-08T00:00:01Z", "2023-01-01T10:00:00.5", "?"])
tables = st.lists(st.tuples(days, cells, cells, st.sampled_from(["", "http://x.org/1", "http://x.org/2"])))


def as_csv(rows):
    """Write rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("published", "title", "summary", "link"), *rows])
    return text.getvalue().encode()


@given(tables, st.integers(0, 9), st.randoms(use_true_random=False))
def test_order_and_overlap_of_files_change_nothing(tmp_path_factory, rows, cut, shuffle):
    """The same rows, shuffled into two files of which one repeats the other, give the same archive."""
    folder = tmp_path_factory.mktemp("archive")
    expected = archive_of(folder, as_csv(rows))
    shuffled = random.Random(shuffle.random()).sample(rows, len(rows))
    found = archive_of(folder, as_csv(shuffled[cut:]), as_csv(shuffled))
    assert Archive(expected.rows, expected.broken, found.read) == found
    assert sorted(expected.rows, key=lambda row: (row.published, row.id)) == list(expected.rows)
    assert len({item.id for item in (*found.rows, *found.broken)}) == found.distinct


@given(st.binary(max_size=300))
def test_hostile_bytes_are_rows_dead_letters_or_a_clear_error(noise):
    """No noise after a good header raises anything of Python's own."""
    raw = io.BytesIO(b"published,title\n" + noise)
    text = io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="")
    for item in read_text(text, "noise"):
        assert item.id if isinstance(item, Broken) else item[0]
