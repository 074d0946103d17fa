"""`newsquake backtest --counts`: anybody's CSV of counts in, the same rows with what was said out."""

import csv
import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.errors import CountsError
from newsquake.bins import run

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
WIDTHS = ("1 min", "15 min", "1 h", "1 day")


def written(path, rows, header=("time", "key", "count")):
    """Write a file of counts."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def judged(source):
    """Judge a file; return its header and its rows."""
    out = source.with_name("out.csv")
    run(source, out, None)
    with out.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def said(tmp_path, rows):
    """Say what was added to each row, in the order of the rows."""
    return [row[-3:] for row in judged(written(tmp_path / "in.csv", rows))[1]]


def series(width_s, bins, *, surge=None, level=20.0, seed=1, key="a"):
    """Draw a newswire's counts: busy by day, quiet at weekends; six times as many from `surge` on."""
    chance = random.Random(seed)
    rows = []
    for number in range(bins):
        at = MONDAY + timedelta(seconds=number * width_s)
        rhythm = (1 + 0.6 * math.sin((at.hour - 8) / 24 * 2 * math.pi)) if width_s < 86_400 else 1.0
        mean = level * rhythm * (0.4 if at.weekday() >= 5 else 1.0)
        mean *= 6 if surge is not None and surge <= number < surge + 3 else 1
        rows.append((at.isoformat(), key, max(round(chance.gauss(mean, 1.4 * math.sqrt(mean))), 0)))
    return rows


def alerts(rows):
    """List the numbers of the rows where an incident is open."""
    return [number for number, row in enumerate(rows) if row[-1] == "1"]


@pytest.mark.parametrize(
    ("width_s", "bins", "surge"),
    [(60, 10_080, 9_300), (900, 1_920, 1_500), (3600, 840, 700), (86_400, 120, 92)],
    ids=WIDTHS,
)
def test_a_surge_is_found_at_any_width_and_little_else(tmp_path, width_s, bins, surge):
    """Six times the normal volume for three bins; before it about an alert a week at most."""
    rows = judged(written(tmp_path / "in.csv", series(width_s, bins, surge=surge)))[1]
    found = alerts(rows)
    assert set(found) & {surge, surge + 1, surge + 2}
    rises = [number for number in found if number - 1 not in found and number < surge]
    assert len(rises) <= 2 * bins * width_s / 604_800
    normal = [float(row[-3]) / 20 for row in rows[-bins // 4 :]]
    assert 0.4 < sum(normal) / len(normal) < 1.6
    assert all(0 <= float(row[-2]) < math.inf for row in rows)


@pytest.mark.parametrize("level", [0.2, 1e3, 1e6, 3e9])
def test_counts_may_be_of_any_size(tmp_path, level):
    """From one in five hours to billions an hour; what is expected comes near what there is.

    The first weekend is loud where it is busier than a newswire's: nobody has seen one yet.
    """
    rows = judged(written(tmp_path / "in.csv", series(3600, 24 * 28, level=level)))[1]
    last = rows[-24 * 7 :]
    observed, expected = (sum(float(row[column]) for row in last) for column in (2, 3))
    assert 0.5 < expected / max(observed, 1) < 2
    assert len(alerts(rows[24 * 14 :])) <= 4


def test_rows_keep_their_order_and_every_column(tmp_path):
    """Three columns more at the end; columns of which we know nothing stay where they are."""
    rows = [(at, "x, y", f'note "{number}"', key, count)
            for number, (at, key, count) in enumerate(series(3600, 60))]
    random.Random(2).shuffle(rows)
    source = written(tmp_path / "in.csv", rows, ("time", "place", "note", "key", "count"))
    header, found = judged(source)
    assert ["time", "place", "note", "key", "count", "expected", "score", "alert"] == header
    assert [list(map(str, row)) for row in rows] == [row[:5] for row in found]


def test_shuffled_rows_are_told_the_same(tmp_path):
    """Order of time decides, not order in the file."""
    rows = series(3600, 300, surge=280) + series(3600, 300, seed=2, key="b")
    told = dict(zip(rows, said(tmp_path, rows), strict=True))
    mixed = random.Random(5).sample(rows, len(rows))
    assert [told[row] for row in mixed] == said(tmp_path, mixed)


def test_rows_of_a_key_in_a_bin_are_one_count(tmp_path):
    """Cut in two, a count is told twice what it was told as one."""
    rows = series(3600, 200, surge=190)
    halves = [(at, key, part) for at, key, count in rows for part in (count // 2, count - count // 2)]
    whole = said(tmp_path, rows)
    assert [each for each in whole for _ in range(2)] == said(tmp_path, halves)


def test_a_missing_row_is_unknown_and_not_zero(tmp_path):
    """Of hours that nobody counted for weeks nothing is known; zeros teach that they are silent."""
    rows = series(3600, 24 * 26)
    last = rows[-24][0]
    unheard = [row for row in rows if 9 <= datetime.fromisoformat(row[0]).hour < 15 and row[0] < last]
    gone = [row for row in rows if row not in unheard]
    zeros = [(at, key, 0 if (at, key, count) in unheard else count) for at, key, count in rows]

    def expected_at_noon(given):
        return float(said(tmp_path, given)[-12][0])

    whole, holes, nothing = map(expected_at_noon, (rows, gone, zeros))
    assert 0.5 * whole < holes < 2 * whole
    assert nothing < 0.2 * whole


def test_a_gap_of_months_is_passed_over_quickly(tmp_path):
    """Minutes of one day, and of a day half a year later."""
    late = [(f"2024-07-01T{at[11:19]}Z", key, count) for at, key, count in series(60, 60)]
    assert 120 == len(said(tmp_path, series(60, 60) + late))


@pytest.mark.parametrize(
    "write",
    [
        lambda at: at.replace(tzinfo=None).isoformat(),
        lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
        lambda at: at.strftime(" %Y%m%dT%H%M%SZ "),
        lambda at: at.astimezone(tz=None).isoformat(),
        lambda at: (at + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S+05:30"),
    ],
    ids=["naive", "blank", "basic", "here", "india"],
)
def test_naive_times_are_utc_and_others_what_their_zone_says(tmp_path, write):
    """The same moments, however they are written, are told the same."""
    rows = series(3600, 100, surge=90)
    other = [(write(datetime.fromisoformat(at)), key, count) for at, key, count in rows]
    assert said(tmp_path, rows) == said(tmp_path, other)


@pytest.mark.parametrize("width_s", [60, 900, 3600])
def test_times_that_jitter_fall_into_their_bins(tmp_path, width_s):
    """A few per cent of a bin early or late, every bin keeps its own row, and the same is said of it."""
    chance = random.Random(3)
    rows = series(width_s, 300, surge=290)
    most = width_s // 25
    late = [
        (f"{datetime.fromisoformat(at) + timedelta(seconds=chance.randint(-most, most))}", key, count)
        for at, key, count in rows
    ]
    assert said(tmp_path, rows) == said(tmp_path, late)


@given(st.lists(st.integers(0, 50), min_size=40, max_size=90), st.integers(35, 89), st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_said_of_a_row_rests_on_nothing_later(tmp_path_factory, counts, at, data):
    """Later rows may be cut off, or be others: what was said before stays, to the last digit."""
    folder = tmp_path_factory.mktemp("causal")
    rows = [
        ((MONDAY + timedelta(hours=hour)).isoformat(), key, count + bump)
        for hour, count in enumerate(counts) for key, bump in (("a", 0), ("b", 3))
    ]
    cut = 2 * min(at, len(counts) - 1)
    changed = [
        (time, key, data.draw(st.integers(0, 10_000))) for time, key, _count in rows[cut:]
    ]
    whole = said(folder, rows)
    assert whole[:cut] == said(folder, rows[:cut])
    assert whole[:cut] == said(folder, rows[:cut] + changed)[:cut]


def test_a_header_alone_is_a_header_again(tmp_path):
    """Nothing to judge is no failure."""
    assert (["time", "key", "count", "expected", "score", "alert"], []) == judged(
        written(tmp_path / "in.csv", [])
    )


def test_one_row_is_told_that_nothing_is_known(tmp_path):
    """Without two times there is no width, and nothing that needs one."""
    assert [["0", "0", "0"]] == said(tmp_path, [("2024-01-01", "a", 5)])


def test_short_rows_are_filled_so_that_columns_stay_columns(tmp_path):
    """What is added stands under its name; blank lines are no rows."""
    source = tmp_path / "in.csv"
    source.write_text("time,key,count,note\n2024-01-01,a,1\n\n2024-01-02,a,2,x\n")
    assert [["2024-01-01", "a", "1", ""], ["2024-01-02", "a", "2", "x"]] == [
        row[:4] for row in judged(source)[1]
    ]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "has no column time, key, count: its columns are none"),
        (b"time,count\n", "has no column key: its columns are time, count"),
        (b"time,key,count\n2024-01-01,a,1\nyesterday,a,1\n", "row 3: 'yesterday' is no time"),
        (b"time,key,count\n1704067200,a,1\n", "row 2: '1704067200' is no time"),
        (b"time,key,count\n1701010312345,a,1\n", "row 2: '1701010312345' is no time"),
        (b"time,key,count\n2024-01-01,a,-1\n", "row 2: '-1' is no count"),
        (b"time,key,count\n2024-01-01,a,1.5\n", "row 2: '1.5' is no count"),
        (b"time,key,count\n2024-01-01,a,nan\n", "row 2: 'nan' is no count"),
        (b"time,key,count\n2024-01-01,a,1e99\n", "row 2: '1e99' is no count"),
        (b"time,key,count\n2024-01-01,a\n", "row 2: '' is no count"),
        (b"time,key,count\n2024-01-01,a,1,2\n", "row 2: 4 cells, but the header has 3"),
        (b"time,key,count\n2024-01-01,a,1\n2024-01-02,Z\xfcrich,1\n", "row 3: not UTF-8"),
        (b"time,key,count\n2024-01-01," + b"x" * 140_000 + b",1\n", "row 2: not CSV"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row(tmp_path, content, wrong):
    """One clear error, and no file where the result would stand."""
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content)
    before = csv.field_size_limit(1 << 30)  # as another reader of this process may have left it
    try:
        with pytest.raises(CountsError) as caught:
            run(source, out, None)
        assert csv.field_size_limit() == 1 << 30
    finally:
        csv.field_size_limit(before)
    assert wrong in str(caught.value)
    assert not out.exists()


def test_a_byte_order_mark_and_other_line_ends_are_no_matter(tmp_path):
    """As spreadsheets save it."""
    source = tmp_path / "in.csv"
    source.write_bytes("\ufefftime,key,count\r\n2024-01-01,Zürich,1\r\n2024-01-02,Zürich,2\r\n".encode())
    assert ["Zürich", "Zürich"] == [row[1] for row in judged(source)[1]]
