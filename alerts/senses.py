"""Whether a name that is also a common word means the company here: "Apple" may be a fruit.

A built-in table for well-known names; what it does not know, a watch says itself (`needs`, `unless`).
"""

from dataclasses import dataclass

from .headline import Headline, unspaced


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Sense:
    """The other meaning of a word: what stands right before or after it, or anywhere near."""

    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()


GIVEN_NAMES = _words(
    "harrison henry gerald betty doug rob john david michael peter paul mark mary anna james robert "
    "william thomas george edward richard charles joseph daniel oscar sarah susan lisa karen tom bill "
    "bob jim joe mike steve chris alex sam ben max laura emma kate jane mr mrs ms dr judge justice "
    "senator sen premier president governor minister sheriff detective professor prof sir lady"
)
# What a sponsor or founder lends its name to is not the company.
NAMED_AFTER = _words(
    "center centre field arena stadium foundation prize award awards cup championship championships "
    "open classic marathon theatre theater museum hall"
)
_FRUIT = _words(
    "fruit fruits orchard orchards grower growers harvest cider pie pies pear pears recipe recipes bake "
    "crumble"
)
_SENSES = {
    "apple": Sense(_words("big adam rotten bad"), _words(
        "pie pies juice cider orchard orchards harvest grower growers farmer farmers tree trees crop crops "
        "picking bank valley sauce vinegar hospitality blossom shortage prices"), _FRUIT),
    "苹果": Sense(near=_words("果农 丰收 果园 水果 种植 苹果派 苹果汁 苹果树")),
    "amazon": Sense(_words("peruvian brazilian colombian"), _words(
        "deforestation rainforest forest basin river tribe tribes jungle fires fire region drought delta"),
        _words("rainforest deforestation jungle indigenous logging loggers illegal-mining")),
    "meta": Sense(after=_words("analysis analyses materials data tag tags")),
    "delta": Sense(_words("mekong niger nile ganges pearl yangtze okavango danube river amazon"),
                   _words("variant variants strain region dental force smelt hedging")),
    "ford": Sense(GIVEN_NAMES, _words("crossing")),
    "goldman": Sense(GIVEN_NAMES, _words("environmental")),
    "dell": Sense(GIVEN_NAMES), "chase": Sense(_words("police car paper high-speed")),
    "shell": Sense(_words("bomb egg sea tortoise artillery turtle hard soft"),
                   _words("company companies firm firms game shock casing casings entity entities beach")),
    "visa": Sense(_words("golden schengen tourist student work entry us uk skilled b exit transit"), _words(
        "rule rules scheme schemes delay delays application applications applicant applicants fee fees "
        "waiver waivers ban bans free policy holder holders restrictions system curbs backlog overstayers "
        "requirement requirements row programme program processing")),
    "caterpillar": Sense(near=_words("plague butterfly moth moths oak oaks species larvae")),
    "intel": Sense(_words("western military enemy secret british american israeli"), _words(
        "suggests agency agencies officials sharing source sources briefing committee report reports")),
    "oracle": Sense(after=_words("of bones")), "alphabet": Sense(after=_words("soup letters song")),
    "target": Sense(_words("price inflation growth profit sales emissions climate deficit gdp output budget "
                           "on off net its the a soft main prime"),
                    _words("date dates price prices rate rates range practice market audience of for zone")),
    "gap": Sense(_words("trade pay wage gender wealth budget funding output skills price yield financing "
                        "gender the a supply income mind"), _words("between in year narrows widens")),
    "next": Sense(_words("the what who s"), _words(
        "week month year quarter generation day time president pope step steps stop up big in to round "
        "pm prime fed ecb boss chancellor governor")),
    "block": Sense(_words("the a trade trading bloc"), _words("trade trades on of party grants capital")),
    "orange": Sense(_words("agent blood clockwork the an"), _words(
        "juice county crop crops groves grove alert squash peel order revolution free"),
        _words("juice citrus groves")),
    "snap": Sense(_words("cold a oh benefits marvel"), _words(
        "election elections poll vote benefits judgment decision back food recipients")),
    "square": Sense(_words("times red trafalgar tahrir the a st leicester madison"),
                    _words("metre metres feet mile foot")),
    "america": Sense(_words("north south latin central")),
    "gold": Sense(after=_words("medal medals medallist medalist card coast rush cup star")),
}  # fmt: skip
# Words that start sentences too often: beside the table above, these need a sign of a company there.
_SHY = _words(
    "target gap next block orange snap square stripe sage key ally discover general progressive "
    "principal match zoom slack box boots arm three ball crown eagle fox frontier spirit hope sky "
    "virgin coach polo mars puma carnival royal travelers citizens regions best chase ring nest root "
    "lemonade affirm opera unity fastly toast bill shift vroom wish compass opendoor robin peloton "
    "first national united southwest american global world energy power capital premier crest edge "
    "impact insight pioneer guardian express dominion southern equity allied standard continental "
    "universal dollar euro monster paramount pinnacle pool republic waters cardinal signet celsius "
    "vulcan admiral wise phoenix prudential constellation"
)
ORDINARY = _SHY | (_SENSES.keys() - {"goldman", "gold", "苹果"}) | _words("uber")

COMPANY_MARKS = _words(
    "inc corp plc ltd ag sa nv se llc co corporation shares share stock stocks shareholders investors "
    "ceo cfo coo chairman chief profit profits earnings revenue revenues sales results guidance "
    "dividend workers staff employees union store stores unit plant factory board lawsuit recall nyse "
    "nasdaq iphone ipad app quarter quarterly q1 q2 q3 q4 bonds customers boss flight flights pilots "
    "premarket exec execs executive founder spokesman spokeswoman lawyers engineers users app"
)
_VERBS = (
    "accuse acquire add admit agree aim announce appeal appoint approve ask avert axe back ban battle "
    "beat bet block book boost borrow breach bring build buy call cancel cap caution challenge clear "
    "close complete confirm consider cut debut declare decline defend delay deny disappoint disclose "
    "ditch divest double drop eliminate end enter exit expand expect expel explore extend eye face fall "
    "file finalise fine fire forecast gain get halt hike hire hit idle increase invest issue join jump "
    "keep launch lay lead leap lift list lose lower make merge miss move name near offer open order "
    "oust outline outsell overhaul overtake pare partner pause pay plan pledge plot plummet plunge "
    "poach post prepare probe promise propose pull push quit rais raise rally ramp reach rebound recall "
    "recover reduce refuse reject relocate replace report resist respond restate restart restructure "
    "resume retreat reveal rise rocket roll say scrap secure see seek sell set settle shed shelve "
    "shrink shut shutter sign sink skid slash slide slip slump soar spend spin split stage start step "
    "stop strike strip struggle sue suffer surge suspend switch tap target tell threaten tie top trim "
    "tumble turn unveil update urge warn widen win withdraw write yank"
)
_DO = _words(_VERBS)
_DOES = frozenset(verb + "s" for verb in _DO) | frozenset(verb + "es" for verb in _DO) | frozenset(
    verb[:-1] + "ies" for verb in _DO if verb.endswith("y")
)  # fmt: skip
_PERIODS, _SPANS = _words("first second third fourth full"), _words("quarter half year")
_PASSIVE = _words(
    "said reported posted warned agreed beat sued fined hacked probed accused charged downgraded upgraded "
    "raided investigated faces"
)
_AUXILIARIES, _JOINTS = _words("is was has had will could may must can would"), _words(", and at")
_MAKES_OBJECT = _words(
    "sues fines probes charges accuses orders initiates upgrades downgrades buys acquires raids rates "
    "hits investigates sue fine probe charge accuse buy acquire"
)
_ENDS = _words(': . ? ! " | ; ( -')


def is_company(headline: Headline, start: int, stop: int) -> bool:
    """Say whether a name between two characters means its company, not a word, person or venue."""
    first, last = headline.place(start, stop)
    before, after = headline.at(first - 1), headline.at(last)
    if after in NAMED_AFTER and headline.capital(last):
        return False
    if before == "of" and headline.at(first - 2) in {"bank", "university", "church", "captain"}:
        return False  # "Bank of America" is not America
    word = headline.text[start:stop].lower()
    if word not in _SENSES and word not in ORDINARY:
        return True
    if _marked(headline, last):
        return True
    return not _otherwise(headline, word, first, last) and _proper(headline, word, first, last)


def is_noun(headline: Headline, start: int, stop: int) -> bool:
    """Say whether a common noun ("gold") stands for itself, not inside a name ("Barrick Gold")."""
    first, last = headline.place(start, stop)
    if _otherwise(headline, headline.text[start:stop].lower(), first, last):
        return False
    if not headline.capital(first) or headline.manner != "sentence":
        return True
    return not headline.capital(last) and (_opens(headline, first) or not headline.capital(first - 1))


def _marked(headline: Headline, last: int) -> bool:
    after = headline.at(last)
    possessive = after == "'" and headline.at(last + 1) == "s"
    period = after in _PERIODS and not _SPANS.isdisjoint(headline.low[last + 1 : last + 3])
    return possessive or period or after in COMPANY_MARKS or (after == "(" and headline.at(last + 2) == ":")


def _otherwise(headline: Headline, word: str, first: int, last: int) -> bool:
    sense = _SENSES.get(word)
    if sense is None:
        return False
    if headline.at(first - 1) in sense.before or headline.at(last) in sense.after:
        return True
    if headline.at(last) == "-" and headline.at(last + 1) in sense.after:
        return True
    if unspaced(word[0]):
        return headline.holds(sense.near)
    return headline.speaks_of(sense.near)


def _proper(headline: Headline, word: str, first: int, last: int) -> bool:
    """Say whether a word that has no second meaning beside it is used as a name."""
    if unspaced(word[0]):
        return True
    if headline.manner == "small":
        return _acts(headline, first, last)
    if not headline.capital(first):
        return False
    if headline.words[first].isupper() and len(word) > 1 and headline.manner != "capitals":
        return False
    if headline.manner == "sentence" and not _opens(headline, first):
        return True
    return word not in _SHY or _acts(headline, first, last)


def _opens(headline: Headline, first: int) -> bool:
    return first == 0 or headline.at(first - 1) in _ENDS


def _acts(headline: Headline, first: int, last: int) -> bool:
    """Say whether the word does or suffers what companies do."""
    after = headline.at(last)
    if after in _DOES or after in _PASSIVE or headline.at(first - 1) in _MAKES_OBJECT:
        return True
    if after == "to" and headline.at(last + 1) in _DO:
        return True
    joints = _JOINTS if headline.manner == "sentence" else _JOINTS - {"and"}
    beside = after in _AUXILIARIES or after in joints or headline.at(first - 1) in joints
    return beside and headline.speaks_of(COMPANY_MARKS)
