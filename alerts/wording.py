"""Words and forms of words by which headlines show the role of a name; data for `roles`."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LEGAL = _words("inc corp corporation co company plc ltd limited ag sa nv se group holdings & n a llc . ,")
DASHES = _words("- \u2013 \u2014 |")
STOPS = _words(": ; | ? !") | DASHES

FORMER = _words("former ex formerly onetime erstwhile")
COMPARED = _words("than unlike like versus vs including includes include alongside outside near opposite")
TWO_WORDS = {
    "as": _words("such same"), "by": _words(
        "led backed owned run founded funded advised arranged managed underwritten hosted sponsored "
        "controlled financed organised organized helped inspired supported"),
    "to": _words(
        "compared similar supplier suppliers alternative challenger rival rivals next loses lost related"),
    "with": _words("compared ties links"), "of": _words(
        "rival rivals peer peers competitor competitors supplier suppliers customer customers alumni veteran "
        "ahead likes style shadow footsteps critic"),
}  # fmt: skip
AMOUNTS = _words("mln million bn bln billion trn trln trillion thousand")
PASSING = _words(
    "rival rivals supplier suppliers partner partners peer peers competitor competitors alum alumni "
    "alumnus alums veteran veterans backer backers challenger challengers killer owner parent maker "
    "distributor conference forum summit stadium seller sellers vendor contractor subcontractor "
    "franchisee reseller landlord style founder cofounder spinoff dealer dealers alternative"
)
GLUED = _words(
    "led backed owned run operated style like linked made built funded founded affiliated sponsored "
    "arranged advised managed controlled listed supplied trained branded inspired era supported free"
)
HIRES = _words(
    "hires hire hired hiring poaches poach poached poaching recruits recruit recruited lures lured snags "
    "nabs"
)
JOINS = _words("joins join joined joining taps tapped names appoints")
CHANGES_HOUSE = HIRES | JOINS | _words("veteran legal")
POSTS = _words(
    "post posts posted posting video videos live livestream page ad ads seller sells sold sell streams "
    "stream group scam message messages viral"
)
ROUNDUP = _words("watch movers calls focus roundup spotlight active gainers losers briefing picks")
AWAITED = _words("ahead before await awaits awaiting")
RESULTS = _words("earnings results report reports numbers quarter update")

SAY = _words(
    "say says said see sees expect expects warn warns forecast forecasts predict predicts reckon reckons "
    "think thinks believe believes tell tells note notes argue argues estimate estimates project projects "
    "caution cautions recommend recommends reiterate reiterates prefer prefers favour favours favor "
    "favors flags flag anticipate anticipates advise advises urges suggests show shows finds warned "
    "expected"
)
ADVISES = _words("say says advise advises recommend recommends tell tells")
RATES = _words(
    "upgrade upgrades downgrade downgrades initiate initiates reiterate reiterates resumes rates "
    "recommends reaffirms"
)
MOVES = _words(
    "raise raises cut cuts lift lifts hike hikes trim trims lower lowers boost boosts slash slashes "
    "increase increases reduce reduces keep keeps maintain maintains stay stays remain remains turn turns "
    "start starts go goes bump bumps nudges grows sets moves pencils puts adds"
)
ACTS = SAY | RATES | MOVES
RATING = _words(
    "target targets pt overweight underweight neutral outperform underperform bullish bearish cautious "
    "buy sell hold forecast forecasts estimate estimates view rating call coverage positive negative "
    "upbeat conviction selective"
)
RATED = _words(
    "upgraded downgraded cut raised lifted initiated started resumed rated reiterated trimmed lowered "
    "removed added named hiked upgrade downgrade upgrades slashed boosted called seen sees overweight "
    "neutral"
)
RATED_HOW = RATING | _words("upgraded downgraded initiated upgrade downgrade")
STAFF = _words(
    "ceo cfo coo chief economist economists strategist strategists analyst analysts head of research "
    "executive team desk chair chairman chairwoman boss president trader traders note survey poll report "
    "quants the global asset wealth management private bank index securities economics vice strategy"
)
ANALYSTS = _words("economist economists strategist strategists analyst analysts quants research")
PAPERS = _words("survey note poll report research")
SUFFERS = _words(
    "fired jailed charged arrested convicted sued quits leaves joins dies pleads suspended sentenced "
    "accused settles resigns admits fined banned to departs exits retires is was leave join quit who"
)
OWN = _words(
    "it its they their profit profits revenue revenues sales results margin margins earnings outlook "
    "guidance dividend job jobs staff workers layoffs restructuring charge charges loss losses hit "
    "writedown ceo cfo plant plants production output deal bid merger stake unit breach hack outage "
    "investigation probe lawsuit fine settlement recall deliveries orders costs cost quarter quarters "
    "demand launch will plan plans capacity iphone headquarters branches offices factory "
    "headcount buyback ipo business spending capex compensation exposure impairment provisions customers "
    "flights"
)
WORLD = _words(
    "oil brent crude gold copper gas equities market markets economy fed ecb boj boe snb rate rates "
    "inflation recession growth gdp dollar euro yen yuan yields treasuries bitcoin home house housing "
    "property eurozone opec sterling commodities silver nasdaq consumer consumers regulators "
    "government congress 500 dlr"
)
NOTICES = _words(
    "notice order matter decision fine fined penalty v vs re statement release settlement charges"
)
# Houses that publish research: what they say, unless it is of themselves, is about others.
HOUSES = _words(
    "goldman jpmorgan morgan citi citigroup citibank ubs barclays hsbc deutsche nomura jefferies socgen "
    "bofa merrill bernstein evercore wells macquarie mizuho berenberg stifel oppenheimer societe bnp rbc "
    "tdcowen lazard commerzbank ing santander natixis unicredit bank credit moody fitch blackrock "
    "pimco vanguard bmo cibc td scotiabank piper raymond keybanc wedbush needham rothschild kepler "
    "redburn jpm julius pictet amundi schroders fidelity intesa lombard baer securities"
)
