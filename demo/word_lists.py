"""Words and sentences of the virtual data set. `{C}` is a company, `{P}` a person, `{L}` a place, `{N}` a number."""


def _words(text: str, separator: str = " ") -> tuple[str, ...]:
    return tuple(text.split(separator))


COMPANY_STEMS = _words(
    "Norvik Albera Castell Domenix Eldara Fenwick Galvora Helmson Inova Jarrow Keller Lumera Mandel Nestor Orbitel "
    "Pellar Quantis Rosner Silvan Tarkon Ulmer Vantage Westby Xantor Yardley Zephir Brandt Corvus Dunmore Ericson "
    "Falcon Granger Hartwell Ibsen Kestrel Lindqvist Morgan Northgate Oakley Preston Riverton Stanton Tolland Warwick"
)
COMPANY_ENDINGS = (
    "AG", "Inc.", "Ltd", "Group", "Holdings", "Energy", "Foods", "Systems", "Bank", "Motors", "Pharma", "Air", "",
    "", "& Sons", "Labs",
)  # fmt: skip
FIRST_NAMES = _words(
    "Anna Bruno Carla David Elena Farid Greta Hannah Ivan Jonas Katrin Liam Maria Nadia Oscar Paula Quentin Rosa Samir "
    "Tanja Ulrich Vera William Yusuf Zoe Andrea Bernd Chloe Dilan Emma"
)
LAST_NAMES = _words(
    "Abel Becker Conrad Duval Engel Fischer Garcia Hansen Ivanov Jansen Keller Lorenz Meyer Novak Olsen Preston Quist "
    "Romano Schneider Torres Ullmann Vogel Wagner Yilmaz Zimmer Morgan Stanton Brandt Petrov Larsson"
)
PLACES = _words(
    "Berlin|Oslo|New Harbour|Lisbon|Riverton|Port Ellen|Warsaw|Vienna|San Carlos|Lake Orin|Dublin|Prague|Osaka|Nairobi|"
    "Santiago|Toronto|Utrecht|Zagreb|Kiel|Porto|Ghent|Leeds|North Haven|Stanton|Montclair|Almeria|Bergen|Cork|Dresden|"
    "El Paso|Fairview|Gdansk|Hobart|Izmir|Jaipur|Kyoto|Lyon|Malmo|Naples|Odense|Palermo|Quito|Rostock|Seville",
    separator="|",
)

CORES = {
    "positive": """
        {C} beats forecasts with a profit of {N} million
        {C} raises its outlook after strong sales in {L}
        shares of {C} jump {N} percent on record orders
        {P} is praised for turning {C} around
        customers in {L} love the new service of {C}
        {C} wins a contract worth {N} million in {L}
        analysts expect {C} to grow faster under {P}
        {C} doubles its dividend , says {P}
        {C} did not disappoint investors this quarter
        losses at {C} shrink faster than expected
        {P} calls the results of {C} excellent
        demand from {L} lifts {C} to a new high
        {C} settles its dispute with {C} and gains {N} percent
        {C} creates {N} jobs in {L}
        {P} leads {C} to its best year yet
        the plant in {L} is back on track , {C} reports
        {C} pays off its debt early
        rating agency upgrades {C} to stable
        {P} impresses shareholders of {C} in {L}
        nobody regrets buying {C} at {N}
    """,
    "negative": """
        {C} misses forecasts and cuts {N} jobs
        {C} lowers its outlook after weak sales in {L}
        shares of {C} slump {N} percent on falling orders
        {P} is blamed for the losses at {C}
        customers in {L} complain about {C}
        {C} loses a contract worth {N} million in {L}
        analysts fear that {C} will shrink under {P}
        {C} scraps its dividend , says {P}
        {C} did not meet what investors hoped for
        profits at {C} vanish faster than expected
        {P} calls the results of {C} a disaster
        strikes in {L} drag {C} to a new low
        {C} is sued by {C} and drops {N} percent
        {C} closes its plant in {L}
        {P} leaves {C} after its worst year yet
        the project in {L} is far behind schedule , {C} admits
        {C} cannot repay its debt
        rating agency downgrades {C} to junk
        {P} angers shareholders of {C} in {L}
        nobody wants to buy {C} at {N}
    """,
    "neutral": """
        {C} holds its annual meeting in {L} on day {N}
        {C} publishes its report at {N} o'clock
        shares of {C} close unchanged at {N}
        {P} joins {C} as an analyst in {L}
        {C} moves its office to {L}
        {C} and {C} are in talks , says {P}
        analysts expect no change at {C} under {P}
        {C} keeps its dividend as it was
        the board of {C} meets {P} next week
        sales of {C} in {L} are in line with forecasts
        {P} speaks about {C} at a conference in {L}
        {C} has {N} employees in {L}
        {C} will report its results in {N} days
        {P} takes over from {P} at {C}
        the plant in {L} belongs to {C}
        {C} neither confirms nor denies the plan
        {P} travels to {L} for {C}
        trading in {C} starts in {L} on Monday
        {C} names {P} as its spokesperson
        {C} changes its logo
    """,
}
OPENERS = {
    "positive": ("good news :", "despite weak markets ,", "after a slow start ,", "even though {P} had doubts ,"),
    "negative": ("bad news :", "despite strong markets ,", "after a good start ,", "even though {P} had hopes ,"),
    "neutral": ("update :", "on Tuesday ,", "according to {P} ,", "as announced ,"),
}
VERDICTS = {
    "positive": ("a great success", "good for everyone", "well done", "what a win"),
    "negative": ("a bitter blow", "bad for everyone", "a sad story", "what a failure"),
    "neutral": ("no surprise", "just as planned", "nothing new", "that is all"),
}
TAILS = (
    "in the {N}th quarter", "according to {P}", "people in {L} say", "as {P} told reporters", "while {C} is watching",
    "sources close to {C} say", "this week", "once more", "for now",
)  # fmt: skip
EMOJI = {"positive": "🚀😀👍", "negative": "📉😡👎", "neutral": "🤔📅📰"}
HASHTAGS = ("#stocks", "#business", "#news", "#markets", "#earnings")
SLANG = {
    "customers": "ppl", "people": "ppl", "expect": "guess", "excellent": "gr8", "love": "luv", "according": "acc",
    "disaster": "mess", "before": "b4", "and": "n", "you": "u", "to": "2", "for": "4", "please": "pls", "are": "r",
    "because": "cuz", "investors": "bagholders", "shares": "stonks",
}  # fmt: skip
