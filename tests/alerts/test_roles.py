"""The role of a name in a headline, form by form. The name asked about stands in brackets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.headline import Headline, fold
from alerts.roles import ROLES, role


def role_of(marked):
    """Ask for the role of the name in brackets."""
    before, rest = fold(marked).split("[")
    name, after = rest.split("]")
    return role(Headline(before + name + after), len(before), len(before) + len(name))


@pytest.mark.parametrize("headline", [
    "[Goldman] cuts jobs",
    "Fine for [Goldman] over bond deal",
    "Regulator probes [Goldman]",
    "Regulator warns [Barclays]",
    "Court tells [Barclays] to pay",
    "Goldman raises [Apple] target to 200",
    "[Boeing] cut to sell at Goldman",
    "Former Goldman banker joins [Citi]",
    "Shell rival [BP] slashes dividend",
    "Shares of [Apple] and Nvidia fall",
    "Brussels says [Apple] broke the law",
    "Why [Boeing]'s troubles are far from over",
    "[JPMorgan] economist fired over messages",
])
def test_whom_the_news_is_about_is_a_subject(headline):
    """It acts, or something is done to it, as the object of the verb too."""
    assert role_of(headline) == "subject"


@pytest.mark.parametrize("headline", [
    "[JPMorgan] says it will cut 1,000 jobs",
    "[HSBC] says profit will fall",
    "[Ford] expects $2 bln hit from tariffs",
    "Profit to miss estimates, [Shell] says",
    "[UBS] raises profit target",
    "[Volkswagen] lowers delivery targets",
    "[Barclays] expects to close its New York branch",
    "[Morgan Stanley] said to cut bonuses",
    "[Apple]: iPhone sales fell in the quarter",
    "[Tesla]'s Musk warns of rough quarters",
])
def test_who_speaks_of_its_own_business_is_a_subject(headline):
    """Its profit, its jobs, what it expects to do: the news is about it."""
    assert role_of(headline) == "subject"


@pytest.mark.parametrize("headline", [
    "[JPMorgan]'s Kolanovic expects stocks to fall",
    "[JPMorgan] strategists turn cautious on Europe",
    "[UBS] chief economist Paul Donovan: no recession",
    "[Deutsche Bank] sees euro at parity",
    "[Shell] says oil demand will peak in 2035",
    "Oil to fall, [Goldman] says",
    "Oil to fall, says [Goldman]",
    "\u201cBuy the dip,\u201d says [Citi] as copper slides",
    "According to [UBS], homes are dear",
    "Dollar rally has further to run - [Morgan Stanley]",
    "Copper could double within a year: [Citi]",
    "[Citi]: copper could double",
    "[Goldman] raises Apple target to 200",
    "[Goldman Sachs Group Inc.] (NYSE: GS) downgrades Boeing",
    "Boeing cut to sell at [Goldman]",
    "Nvidia target raised by [Morgan Stanley]",
    "[Goldman], JPMorgan see higher odds of recession",
    "Goldman and [JPMorgan] see higher odds of recession",
    "Investors are gloomy, a [BofA] survey shows",
    "India is least favoured in [BofA] poll",
])
def test_who_speaks_of_others_is_a_speaker(headline):
    """Before or after what is said, by its analysts and papers too, and where it rates others."""
    assert role_of(headline) == "speaker"


@pytest.mark.parametrize("headline", [
    "Former [Goldman] banker joins Citi",
    "Ex-[Goldman] trader jailed",
    "Stake sold in [Goldman]-led deal",
    "Rival of [Nestle] builds plant",
    "[Shell] rival BP slashes dividend",
    "[Apple] supplier Foxconn halts line",
    "[Boeing] customer Ryanair grounds jets",
    "A chip maker bigger than [Apple]",
    "Like [Amazon], grocer bets on lockers",
    "Chip stocks rally, led by [Nvidia]",
    "Lenders such as UBS and [HSBC] join in",
    "Stocks to watch: Apple, [Boeing], Target",
    "Verdicts: Disney, [Meta], Biogen, Tesla",
    "Nasdaq flat ahead of [Apple] earnings",
    "Fed's Waller to speak at [Goldman] conference",
    "Citi hires [Goldman]'s head of mergers",
    "Citi hires [Goldman] dealmaker",
    "Banker joins Citi from [Goldman]",
    "[Wells Fargo]'s Jason Smith joins Discover",
    "The rally left many behind, from banks to [Apple]",
    "Minister resigns in a post on [Facebook]",
    "Fine of 2 billion [euro] for carmaker",
])
def test_whom_the_news_only_names_is_a_mention(headline):
    """Comparisons, descent, lists, venues, units: it is not what happened."""
    assert role_of(headline) == "mention"


@pytest.mark.parametrize(("headline", "expected"), [
    ("GOLDMAN CUTS [APPLE] TO NEUTRAL", "subject"), ("[GOLDMAN] CUTS APPLE TO NEUTRAL", "speaker"),
    ("OIL TO FALL, SAYS [GOLDMAN]", "speaker"), ("FORMER [GOLDMAN] BANKER JOINS CITI", "mention"),
    ("Former [Goldman] Banker Joins Citi", "mention"), ("Oil To Fall, [Goldman] Says", "speaker"),
    ("goldman cuts [apple] to neutral", "subject"), ("oil to fall, [goldman] says", "speaker"),
    ("[苹果]被罚款", "subject"),
])
def test_the_form_counts_in_every_manner_of_capitals(headline, expected):
    """Capitals, title case and small letters are read alike."""
    assert expected == role_of(headline)


@given(st.text(max_size=80), st.text(min_size=1, max_size=20), st.text(max_size=80))
def test_any_name_in_any_text_has_a_role(before, name, after):
    """Nothing that can stand around a name raises."""
    headline = Headline(before + name + after)
    assert role(headline, len(before), len(before) + len(name)) in ROLES


@given(st.lists(st.sampled_from([
    "Goldman", "says", ",", "and", ":", "-", "'s", "former", "the", "(", ")", "to", "from", "Apple", "at",
]), min_size=1, max_size=60))  # fmt: skip
def test_the_words_that_the_rules_know_may_stand_in_any_order(words):
    """Every order of the telling words gives a role at every place."""
    text = " ".join(words)
    headline = Headline(text)
    places = [place for place in range(len(text)) if text.startswith("Goldman", place)]
    assert all(role(headline, place, place + len("Goldman")) in ROLES for place in places)
