"""The role of a name in a headline, by the headline's form: subject, speaker or mention. Pure.

* **subject**: the news is about it; it acts, or something is done or happens to it.
* **speaker**: it, or somebody of its house, says something about something else.
* **mention**: it only helps to say who or what somebody else is, or stands in a list of examples.

A company that speaks of its own business is a subject. The rules look a few words to each side
and never search back and forth, so that the time is linear in the text.
"""

from typing import Literal

from . import wording
from .headline import Headline

Role = Literal["subject", "speaker", "mention"]
ROLES: tuple[Role, ...] = ("subject", "speaker", "mention")  # the strongest first

REACH = 14  # words to each side that can decide
_LIST = 8  # names of one list that are walked over
_NAME_WORDS = 3
_PERSON_WORDS = 4  # "JPMorgan's chief economist Bruce Kasman"
_SAYING_WORDS = 4  # a saying is longer than a label: "Final Notice: Barclays"


def role(headline: Headline, start: int, stop: int) -> Role:
    """Say which role the name between two characters of a headline has."""
    first, last = headline.place(start, stop)
    found = _Place(headline, first, last)
    if found.passing():
        return "mention"
    if found.speaking():
        return "speaker"
    return "subject"


class _Place:
    """A name in a headline and what stands around it; `head` and `tail` are the ends of its list."""

    def __init__(self, headline: Headline, first: int, last: int) -> None:
        self._all = headline
        self._low = headline.low
        self._house = not wording.HOUSES.isdisjoint(self._low[first:last])
        self._first = first
        self._last = _after_legal_form(headline, last)
        self._owns = headline.at(self._last) == "'"
        self._next = self._last + (self._owns and 1 + (headline.at(self._last + 1) == "s"))
        self._head = _list_head(headline, first)
        self._tail = self._next if self._owns else _list_tail(headline, self._last)

    def passing(self) -> bool:
        """Say whether it is named only to place somebody or something else."""
        return self._compared() or self._qualifies() or self._left() or self._listed() or self._counted()

    def speaking(self) -> bool:
        """Say whether it speaks of others."""
        if self._quoted() or self._rated():
            return True
        verb = self._verb()
        if verb is None:
            return self._label()
        word = self._all.at(verb)
        if word in wording.SUFFERS:
            return False
        if self._rates(verb):
            return True
        if self._all.at(verb + 1) == "to" and word not in wording.ADVISES:
            return False  # "expects to cut jobs", "said to cut jobs"
        return word in wording.SAY and not self._of_itself(verb)

    def _compared(self) -> bool:
        """After "former", "bigger than", "led by", "rival of" and the like."""
        at, head = self._all.at, self._head
        before, two = at(head - 1), at(head - 2)
        if before == "the":
            before, two, head = two, at(head - 3), head - 1
        if before == "-":
            return two in {"ex", "non", "post"}
        if before in wording.FORMER or before in wording.COMPARED:
            return not (before == "like" and two in {"looks", "look"})
        return two in wording.TWO_WORDS.get(before, ()) or (two == "ahead" and before == "of")

    def _qualifies(self) -> bool:
        """Before "-led", "rival", "supplier", "conference" and the like."""
        at = self._all.at
        if at(self._last) == "-" and self._all.glued(self._last):
            return at(self._last + 1) in wording.GLUED
        if at(self._next) in {"customer", "client"}:
            return self._all.capital(self._next + 1) and self._all.manner == "sentence"
        if at(self._next) in {"partner", "partners"} and at(self._next + 1) in {"to", "with", "on", "up"}:
            return False
        after = at(self._next + (at(self._next) in wording.STAFF))  # "Barclays CEO conference"
        return after in wording.PASSING

    def _left(self) -> bool:
        """Whence somebody comes, or where something was posted."""
        at, before = self._all.at, self._low[max(0, self._first - REACH) : self._first]
        here = at(self._first - 1)
        after = self._low[self._next : self._next + _PERSON_WORDS]
        if self._owns:
            return not (wording.HIRES.isdisjoint(before) and wording.JOINS.isdisjoint(after))
        match here:
            case "from":
                return at(self._tail) == "to" or not wording.CHANGES_HOUSE.isdisjoint(before)
            case "to":
                return "from" in before
            case "on" | "via":
                return not wording.POSTS.isdisjoint(before)
            case _:
                return here in wording.HIRES

    def _listed(self) -> bool:
        """In a list of stocks after a colon, or with results that others wait for."""
        at, head = self._all.at, self._head
        if at(head - 1) == ":":
            whole = self._ends() and self._low[head : self._tail].count(",") > 1
            if whole or not wording.ROUNDUP.isdisjoint(self._low[max(0, head - 5) : head]):
                return True
        before = self._low[max(0, head - _PERSON_WORDS) : head]
        return at(self._next) in wording.RESULTS and not wording.AWAITED.isdisjoint(before)

    def _counted(self) -> bool:
        """A unit of an amount: "2 billion euro" says nothing of the euro."""
        before = self._all.at(self._first - 1)
        return not self._all.capital(self._first) and (before in wording.AMOUNTS or before.isdigit())

    def _quoted(self) -> bool:
        """According to it; "..., says it"; "...: it" at the end."""
        at, head = self._all.at, self._head
        before, two = at(head - 1), at(head - 2)
        if before in {"a", "an", "the"} and at(self._next) in wording.PAPERS:
            before, two = two, at(head - 3)
        if (before == "to" and two == "according") or before == "per":
            return True
        if before in wording.SAY and before not in {"show", "shows"}:
            return two in {",", '"', "'", "-"} or (before in {"says", "said"} and self._ends())
        if before in {"in", "by"} and at(self._next) in wording.PAPERS:
            return True
        if not self._ends() or head <= _SAYING_WORDS or before not in {":", *wording.DASHES}:
            return False
        said = self._low[max(0, head - REACH) : head]
        return not self._all.glued(head - 1) and wording.NOTICES.isdisjoint(said)

    def _ends(self) -> bool:
        tail = self._tail + (self._all.at(self._tail) in wording.PAPERS)
        return tail >= len(self._low) or self._all.at(tail) in wording.STOPS

    def _rated(self) -> bool:
        """Downgraded "at" or "by" it."""
        if not self._house or self._all.at(self._head - 1) not in {"at", "by", "from"}:
            return False
        before = self._low[max(0, self._head - REACH) : self._head - 1]
        return not wording.RATED.isdisjoint(before) and not wording.RATED_HOW.isdisjoint(before)

    def _verb(self) -> int | None:
        """Find what it, or a person or paper of its house, does: at most a few words on."""
        index = self._tail
        for _step in range(_PERSON_WORDS + 1):
            word = self._all.at(index)
            if not word or word in wording.STOPS or word == ",":
                return None
            person = word in wording.STAFF or word == "." or (self._owns and self._all.capital(index))
            if word in wording.ACTS or not person:
                return index
            index += 1
        return None

    def _rates(self, verb: int) -> bool:
        """Whether it gives a rating, a target or an opinion on somebody else."""
        at, word = self._all.at, self._all.at(verb)
        after = self._low[verb + 1 : verb + REACH]
        if not wording.ANALYSTS.isdisjoint(self._low[self._tail : verb]):
            return True  # an analyst who is not in the news himself has said something
        if "its" in after[:2] or at(verb + 1) in wording.OWN:
            return False  # "UBS raises profit target"
        if at(verb + 1) in {"to", "by", "at"} and (word in wording.RATES or word == "cut"):
            return False  # "Boeing cut to sell by ..."
        if word in wording.RATES:
            return True
        return self._house and word in wording.MOVES and not wording.RATING.isdisjoint(after)

    def _of_itself(self, verb: int) -> bool:
        """Whether a saying is about the speaker's own business: the first telling word decides."""
        if not wording.PAPERS.isdisjoint(self._low[self._tail : verb]):
            return False
        said = self._low[verb + 1 : verb + 1 + REACH]
        if len(said) <= 1 or said[0] in wording.STOPS:
            said = self._low[max(0, self._head - REACH) : self._head]
        return self._own(said)

    def _own(self, said: list[str]) -> bool:
        for word in said:
            if word in wording.OWN:
                return True
            if word in wording.WORLD:
                return False
        return not self._house

    def _label(self) -> bool:
        """A name before a colon speaks, if what follows is not about itself."""
        end = self._tail
        while self._owns and end < self._tail + _NAME_WORDS and self._all.capital(end):
            end += 1
        if self._all.at(end) != ":" or self._head:
            return False
        return not self._own(self._low[end + 1 : end + REACH])


def _after_legal_form(headline: Headline, last: int) -> int:
    """Step over "Inc.", "plc" and "(NYSE: GS)"."""
    index = last
    while headline.at(index) in wording.LEGAL:
        index += 1
    while index > last and headline.at(index - 1) in {"&", "a", ","}:
        index -= 1
    if headline.at(index) not in {"(", "<"}:
        return index
    ends = (place for place in range(index, index + _LIST) if headline.at(place) in {")", ">"})
    return next(ends, index - 1) + 1


def _list_head(headline: Headline, first: int) -> int:
    """Walk left over "A, B and" to where the list starts."""
    head = first
    for _step in range(_LIST):
        joint = head - 1
        if headline.at(joint) not in {",", "and", "or", "&"}:
            return head
        joint -= headline.at(joint - 1) == ","
        start = joint
        while start > 0 and joint - start < _NAME_WORDS and _in_name(headline, start - 1):
            start -= 1
        if start == joint:
            return head
        head = start
    return head


def _list_tail(headline: Headline, last: int) -> int:
    """Walk right over ", B and C" to where the list ends."""
    tail = last
    for _step in range(_LIST):
        joint = tail
        while headline.at(joint) in {",", "and", "or", "&"}:
            joint += 1
        stop = joint
        while stop - joint < _NAME_WORDS and _in_name(headline, stop):
            stop += 1
        if joint in {tail, stop}:
            return tail
        tail = stop
    return tail


def _in_name(headline: Headline, index: int) -> bool:
    return headline.capital(index) and headline.at(index) not in wording.ACTS
