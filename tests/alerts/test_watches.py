"""Which watches a headline speaks of, and in which role.

`watch_headlines.csv` holds 300 headlines that we wrote and labelled, one row for each watch that a
headline asks about: the role, or nothing where the watch must not match; a watch without a row must
not match either. 200 (`dev`) were labelled before the rules were written and then served to write
them; 100 (`check`) were labelled before the rules saw them, and no rule was changed for them:
at first sight matches were .978 precise and 1.000 complete, subjects .896 and .968 (a later change,
made for other headlines, mended one of them).

A subject acts, or something is done or happens to it; a speaker says something of others; a mention
only helps to say who somebody else is, gives an example, or counts euros. Whom a banker has left is
mentioned, whom he joins is a subject.
"""

import csv
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.headline import Headline, fold
from alerts.settings import Watch
from alerts.watches import Match, Matcher, match

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # lone surrogates too

DESK = (
    Watch(name="Goldman Sachs", aliases=("Goldman",), tickers=("GS",)),
    Watch(name="JPMorgan", aliases=("JPMorgan Chase", "JP Morgan", "J.P. Morgan"), tickers=("JPM",)),
    Watch(name="Morgan Stanley", tickers=("MS",)),
    Watch(name="Bank of America", aliases=("BofA",), tickers=("BAC",)),
    Watch(name="Citi", aliases=("Citigroup", "Citibank")),
    Watch(name="Wells Fargo", tickers=("WFC",)),
    Watch(name="Deutsche Bank", tickers=("DBK",)),
    Watch(name="UBS"),
    Watch(name="HSBC"),
    Watch(name="Barclays"),
    Watch(name="Credit Suisse"),
    Watch(name="Société Générale", aliases=("SocGen",)),
    Watch(name="Santander", unless=("storm", "Santander province")),
    Watch(name="Apple", aliases=("苹果",), tickers=("AAPL",)),
    Watch(name="Meta", aliases=("Meta Platforms", "Facebook"), tickers=("META",)),
    Watch(name="Alphabet", aliases=("Google",), tickers=("GOOGL", "GOOG")),
    Watch(name="Amazon", tickers=("AMZN",)),
    Watch(name="Microsoft", tickers=("MSFT",)),
    Watch(name="Tesla", tickers=("TSLA",)),
    Watch(name="Target", tickers=("TGT",)),
    Watch(name="Gap", tickers=("GAP",)),
    Watch(name="Visa", tickers=("V",)),
    Watch(name="Shell", tickers=("SHEL",)),
    Watch(name="BP"),
    Watch(name="Ford", tickers=("F",)),
    Watch(name="Delta", aliases=("Delta Air Lines",), tickers=("DAL",)),
    Watch(name="Nestle", aliases=("Nestle SA",)),
    Watch(name="AT&T", tickers=("T",)),
    Watch(name="Procter & Gamble", aliases=("P&G",), tickers=("PG",)),
    Watch(name="Johnson & Johnson", aliases=("J&J",), tickers=("JNJ",)),
    Watch(name="Boeing", tickers=("BA",)),
    Watch(name="Intel", tickers=("INTC",)),
    Watch(name="Nvidia", tickers=("NVDA",)),
    Watch(name="Toyota", aliases=("トヨタ", "丰田")),
    Watch(name="Samsung", aliases=("삼성전자",)),
    Watch(name="Tencent", aliases=("腾讯",)),
    Watch(name="Oracle", tickers=("ORCL",)),
    Watch(name="Orange"),
    Watch(name="Next"),
    Watch(name="Snap", aliases=("Snapchat",), tickers=("SNAP",)),
    Watch(name="Uber", tickers=("UBER",)),
    Watch(name="Siemens", unless=("Siemens Energy",)),
    Watch(name="Volkswagen", aliases=("VW",)),
    Watch(name="Caterpillar", tickers=("CAT",)),
    Watch(name="gold"),
    Watch(name="euro"),
    Watch(name="America"),
    Watch(name="Unilever"),
    Watch(name="Lufthansa"),
    Watch(name="Renault"),
    Watch(name="Block"),
)

WATCHES = (
    Watch(name="JPMorgan", aliases=("JPMorgan Chase", "JPM")),
    Watch(name="Apple", aliases=("AAPL", "苹果")),
    Watch(name="Meta"),
    Watch(name="AT&T"),
)


@pytest.mark.parametrize(("title", "expected"), [
    ("JPMorgan Chase to pay $200 million fine", [("JPMorgan", "subject")]),
    ("JPMorgan's Kolanovic expects stocks to fall", [("JPMorgan", "speaker")]),
    ("JPMorgan strategists turn bearish on Apple", [("Apple", "subject"), ("JPMorgan", "speaker")]),
    ("JPMorgan says it will cut 1,000 jobs", [("JPMorgan", "subject")]),
    ("Stocks may fall further this winter, according to JPMorgan", [("JPMorgan", "speaker")]),
    ("jpmorgan fined", [("JPMorgan", "subject")]),
    ("The meta of trading games", []),
    ("Meta fires thousands", [("Meta", "subject")]),
    ("Pineapples and AAPLX", []),
    ("AAPL down 5%", [("Apple", "subject")]),
    ("AT&T loses customers", [("AT&T", "subject")]),
    ("分析 苹果公司股价下跌", [("Apple", "subject")]),
    ("Why the biggest rally of the decade has left so many behind, from banks to Apple",
     [("Apple", "mention")]),
    ("", []),
])
def test_roles_in_headlines(title, expected):
    """Names count at word boundaries; short ones with their case; speakers are no subjects."""
    assert [Match(*one) for one in expected] == match(title, "", WATCHES)


def test_a_name_in_the_text_only_is_a_mention():
    """The headline decides what an article is about."""
    assert [Match("Apple", "mention")] == match("Tech falls", "Apple fell too.", WATCHES)


def test_no_watches_match_nothing():
    """An empty list of watches is fine."""
    assert [] == match("Apple falls", "", ())


@dataclass(frozen=True)
class Rate:
    """How much of what was found is right, and how much of what is right was found."""

    precision: float
    recall: float

    def __str__(self):
        return f"precision {self.precision:.3f} recall {self.recall:.3f}"


def labelled():
    """Give every headline its half and the role of each watch that it speaks of."""
    halves, roles = {}, defaultdict(dict)
    with (Path(__file__).parent / "watch_headlines.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            halves[row["headline"]] = row["half"]
            if row["role"]:
                roles[row["headline"]][row["watch"]] = row["role"]
    return [(text, half, roles[text]) for text, half in halves.items()]


def rate(pairs):
    """Compare what was found with what is right."""
    right = sum(len(found & truth) for found, truth in pairs)
    return Rate(right / sum(len(found) for found, _ in pairs), right / sum(len(truth) for _, truth in pairs))


def measured(*halves):
    """Rates of matches and of subjects over some halves of the headlines."""
    matcher = Matcher(DESK)
    asked = [
        ({each.watch: each.role for each in matcher.match(text)}, truth)
        for text, half, truth in labelled() if half in halves
    ]  # fmt: skip
    subjects = [
        tuple({watch for watch in roles if roles[watch] == "subject"} for roles in pair) for pair in asked
    ]
    return rate([(found.keys(), truth.keys()) for found, truth in asked]), rate(subjects)


@pytest.mark.parametrize(("halves", "match_bound", "subject_bound"), [
    (("dev", "check"), 0.95, 0.90), (("dev",), 0.95, 0.90), (("check",), 0.93, 0.85),
])
def test_watches_and_subjects_of_300_headlines_are_found(halves, match_bound, subject_bound):
    """Match and subject role reach the bounds that were set, each in precision and in recall."""
    matches, subjects = measured(*halves)
    print(f"{' and '.join(halves)}: match {matches}; subject {subjects}")
    assert min(matches.precision, matches.recall) >= match_bound
    assert min(subjects.precision, subjects.recall) >= subject_bound


def test_the_headlines_are_300_in_two_halves():
    """200 to write the rules with and 100 to check them; each headline once."""
    halves = [half for _text, half, _truth in labelled()]
    assert (200, 100) == (halves.count("dev"), halves.count("check"))


def names(title, *watches, text=""):
    """Name the watches that a title, or a text under it, speaks of."""
    return [each.watch for each in match(title, text, watches)]


@pytest.mark.parametrize(("title", "expected"), [
    ("Nestlé recalls pasta", ["Nestle"]),
    ("NESTLÉ RECALLS PASTA", ["Nestle"]),
    ("Nestle\u2019s chief leaves", ["Nestle"]),
    ("\uff2e\uff45stle recalls pasta", ["Nestle"]),
    ("Nestle\u0301 recalls pasta", ["Nestle"]),
    ("Nestlé-backed start-up fails", ["Nestle"]),
    ("(Nestlé) / #Nestlé / @Nestlé", ["Nestle"]),
    ("Nestled in the hills", []),
    ("Procter &  Gamble cuts prices", ["Procter & Gamble"]),
    ("Procter and Gamble cuts prices", ["Procter & Gamble"]),
    ("Coca Cola recalls cans", ["Coca-Cola Co"]),
    ("COCA-COLA RECALLS CANS", ["Coca-Cola Co"]),
    ("UBS AG fined", ["UBS"]),
    ("ubs fined", ["UBS"]),
    ("Pubs and clubs", []),
    ("SUBSIDY CUTS", []),
])
def test_a_name_is_found_however_it_is_written(title, expected):
    """Accents, widths, quotes, hyphens, "&" and legal forms do not matter; letters beside do."""
    watches = [Watch(name=name) for name in ("Nestle", "Procter & Gamble", "Coca-Cola Co", "UBS")]
    assert expected == names(title, *watches)


@pytest.mark.parametrize(("title", "expected"), [
    ("MSFT slides", ["Microsoft"]),
    ("$MSFT slides", ["Microsoft"]),
    ("Microsofties (NASDAQ: MSFT) slide", ["Microsoft"]),
    ("msft slides", []),
    ("MSFTX slides", []),
    ("Model F of 1905 sold", []),
    ("Carmaker (NYSE: F) recalls trucks", ["Ford"]),
    ("$F to zero", ["Ford"]),
    ("ALL EYES ON THE FED", []),
    ("Insurers suffer, says ALL", []),
    ("Insurer (NYSE: ALL) suffers", ["Allstate"]),
])
def test_tickers_count_in_capitals_and_short_ones_with_their_mark(title, expected):
    """F and ALL are a company only as $F or (NYSE: ALL)."""
    microsoft = Watch(name="Microsoft", tickers=("MSFT",))
    ford, allstate = Watch(name="Ford", tickers=("F",)), Watch(name="Allstate", tickers=("ALL",))
    assert expected == names(title, microsoft, ford, allstate)


@pytest.mark.parametrize(("title", "expected"), [
    ("Sage cuts jobs", ["Sage"]),
    ("Sage and onion stuffing", []),
    ("SAGE CUTS JOBS", ["Sage"]),
    ("SAGE ADVICE FOR SAVERS", []),
    ("Sage Advice For Savers", []),
    ("Software maker Sage is bought", ["Sage"]),
    ("A sage speaks", []),
    ("Apple and pear growers meet", []),
    ("How Apple lost its way", ["Apple"]),
    ("WHY APPLE LOST ITS WAY", ["Apple"]),
    ("An apple a day", []),
    ("apple sues its former engineer", ["Apple"]),
    ("apple crumble for two", []),
    ("Target second-quarter sales fall", ["Target"]),
    ("Target practice goes wrong", []),
    ("Henry Ford built cars", []),
    ("Ford built fewer cars", ["Ford"]),
    ("gold falls", ["gold"]),
    ("Gold falls", ["gold"]),
    ("Barrick Gold falls", []),
    ("Gold Fields falls", []),
    ("GOLD FALLS", ["gold"]),
])
def test_a_name_that_is_a_word_counts_where_it_means_the_company(title, expected):
    """Capitals, what it does and what stands beside it decide, with no setting for it."""
    watches = [Watch(name=name) for name in ("Sage", "Apple", "Target", "Ford", "gold")]
    assert expected == names(title, *watches)


@pytest.mark.parametrize(("title", "expected"), [
    ("Mercury shares fall after crash", ["Mercury"]),
    ("Mercury seen near the moon", []),
    ("Mercury shares fall as poisoning spreads", []),
    ("Freddie Mercury shares are sold", []),
    ("Mercury shares rise on Freddie Mercury musical", ["Mercury"]),
])
def test_an_operator_says_what_a_name_needs_and_what_it_is_not(title, expected):
    """`needs` asks for a word beside it, `unless` forbids one, or hides a longer name only."""
    watch = Watch(name="Mercury", needs=("shares", "bank"), unless=("poisoning", "Freddie Mercury"))
    assert expected == names(title, watch)


def test_of_names_that_overlap_the_longest_counts():
    """"Bank of America" is not "America", whether or not the bank is watched too."""
    america, bank = Watch(name="America"), Watch(name="Bank of America")
    assert ["Bank of America"] == names("Bank of America sues", america, bank)
    assert [] == names("Bank of America sues", america)
    assert ["America", "Bank of America"] == names("Bank of America leaves America", america, bank)


def test_an_empty_setting_matches_nothing():
    """Blank names, tickers and words are as if not given."""
    blank = Watch(name="\u0301", aliases=(" ",), tickers=("",), unless=("", " "))
    assert [] == names("Falling  prices", blank)


def test_two_watches_may_share_a_name():
    """A name that two watches claim speaks of both."""
    one, two = Watch(name="Alphabet A", aliases=("Google",)), Watch(name="Alphabet C", aliases=("Google",))
    assert ["Alphabet A", "Alphabet C"] == names("Google sued", one, two)


@pytest.mark.parametrize(("title", "expected"), [
    ("昨日腾讯股价大跌", ["Tencent"]), ("トヨタが工場を停止", ["Toyota"]), ("현대자동차가 리콜", ["Hyundai"]),
    ("分析Apple公司", ["Apple"]), ("苹果派食谱", []), ("苹果被罚款", ["Apple"]),
])
def test_scripts_without_spaces_have_no_word_boundaries(title, expected):
    """A Chinese, Japanese or Korean name counts inside a run of letters; a Latin one ends beside it."""
    watches = (
        Watch(name="Tencent", aliases=("腾讯",)), Watch(name="Toyota", aliases=("トヨタ",)),
        Watch(name="Hyundai", aliases=("현대자동차",)), Watch(name="Apple", aliases=("苹果",)),
    )  # fmt: skip
    assert expected == names(title, *watches)


@pytest.mark.parametrize(("title", "expected"), [
    ("Profits fall at the bank", "sentence"), ("Profits Fall At The Bank", "title"),
    ("PROFITS FALL - Reuters", "capitals"), ("profits fall", "small"), ("利润下降", "small"),
])
def test_the_manner_of_capitals_is_told_apart(title, expected):
    """What a capital is worth depends on how the headline uses them."""
    assert expected == Headline(title).manner


@given(ANY_TEXT)
def test_folding_is_final_and_small_letters_keep_their_places(text):
    """A folded text stays as it is, and lower-casing it moves no character."""
    folded = fold(text)
    assert folded == fold(folded)
    assert len(folded) == len(folded.lower())


@given(ANY_TEXT, st.sampled_from(["Goldman", "Apple", "UBS", "苹果", "AT&T", "gold"]), ANY_TEXT)
def test_any_text_is_matched_the_same_whatever_the_order_of_watches(before, name, after):
    """No text raises, and the answer depends on the text and the set of watches only."""
    title = before + name + after
    assert Matcher(DESK).match(title, before) == Matcher(tuple(reversed(DESK))).match(title, before)


@given(st.text(alphabet="abcXYZ019é", min_size=1), st.text(alphabet="abcXYZ019é"))
def test_a_name_inside_a_longer_word_never_counts(before, after):
    """"gold" is not "Goldman", nor anything else that goes on."""
    assert [] == names(f"{before}gold{after} falls", Watch(name="gold"))
    assert [] == names(f"{after}Unilever{before} falls", Watch(name="Unilever"))


@pytest.mark.parametrize("piece", [
    "Apple ", "Apple, ", "Apple and ", "Goldman's ", "Goldman says ", "Target-", "A, ", ",", "(", "$", "'s",
    "JPMorgan Chase & Co. (", "the of ", "ex-", "苹果", "gold.", "from Apple to ", "\u0301",
    "Goldman A B C D ", "Santander ",
])
def test_hostile_text_is_read_in_linear_time(piece):
    """4,000 characters made of what the rules look for take milliseconds, not minutes."""
    matcher = Matcher(DESK)
    title = (piece * 4000)[:4000]
    start = time.process_time()
    matcher.match(title, title)
    assert time.process_time() - start < 0.5
