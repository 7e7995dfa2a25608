"""Letters to write; ``NUMBER``, ``DAY`` and ``CITY`` stand for the details that the person gives."""

from .topics import Aspect, Topic

_ELABORATIONS = (
    "I mention this so that we do not have to write to each other twice.",
    "Please let me know if anything about {title} is unclear.",
    "I have kept a copy of our earlier messages.",
    "I hope that you can see this from my side as well.",
    "It would mean a great deal to me.",
    "If you need a document concerning {title}, I will gladly send it.",
    "I have thought about this for some days before writing.",
    "Until now our contact has always been pleasant.",
    "My family sees it in the same way.",
    "I would rather settle this in a friendly manner.",
    "Forgive me if I repeat what you already know about {title}.",
    "There is no hurry with a long reply, a short line will do.",
)


def _letter(goal: str, *points: tuple[str, str, str, str]) -> Topic:
    return Topic(goal, tuple(Aspect(*point) for point in points), _ELABORATIONS)


LETTERS = (
    _letter(
        "a complaint about a parcel that has not arrived",
        (
            "the order number",
            "My order has the number NUMBER and was placed on DAY.",
            "The confirmation is attached to this letter.",
            "I have never ordered anything from you.",
        ),
        (
            "what went wrong",
            "The parcel was due two weeks ago and the tracking page has not changed since.",
            "The carrier in CITY could not tell me more.",
            "The parcel came early and was in perfect condition.",
        ),
        (
            "the remedy I want",
            "Please send the goods again or refund the full price within ten days.",
            "A voucher would not be of use to me.",
            "Please charge me twice for the trouble.",
        ),
        (
            "how to reach me",
            "You can reach me by e-mail or by telephone in the afternoon.",
            "I will keep the evening free on DAY as well.",
            "Please do not reply to this letter in any way.",
        ),
    ),
    _letter(
        "an application for a job in a bookshop",
        (
            "why I apply",
            "I have been a regular customer of your shop in CITY for years and know its shelves well.",
            "Your reading group introduced me to half of my favourite authors.",
            "I do not care for books and need any job that is going.",
        ),
        (
            "my experience",
            "For two years I have worked NUMBER hours a month at the till of a stationer's.",
            "There I also looked after the window display.",
            "I have never worked and was dismissed for sleeping.",
        ),
        (
            "when I can start",
            "I could start on DAY and work on Saturdays too.",
            "My notice period has already been agreed.",
            "I might start in some years, though not in the mornings or afternoons.",
        ),
        (
            "a request for an interview",
            "I would be glad to introduce myself in person.",
            "A trial day would suit me equally well.",
            "There is no need to meet, just send the wages.",
        ),
    ),
    _letter(
        "an apology to a neighbour for a loud party",
        (
            "what happened",
            "Our party on DAY went on much longer than we had announced.",
            "About NUMBER guests came, which was more than the flat can bear.",
            "Nothing happened, and you must have dreamt the noise.",
        ),
        (
            "the apology",
            "I am truly sorry that you lost a night's sleep.",
            "You had every right to ring the bell.",
            "If anyone should apologise, it is you for living so near.",
        ),
        (
            "how I will make up for it",
            "I would like to invite you to dinner or to water your plants in the summer.",
            "A cake from the good bakery in CITY is already at your door.",
            "To make up for it we will repeat the party every week.",
        ),
        (
            "the promise",
            "From now on the music will be off at ten, and you have my number just in case.",
            "The neighbours upstairs have agreed to this too.",
            "I cannot promise anything, since rules are for other people.",
        ),
    ),
    _letter(
        "an e-mail that asks a landlord for a repair",
        (
            "the damage",
            "The heating in flat NUMBER has been cold since DAY.",
            "I have already bled the radiators without success.",
            "The window is lovely and the garden looks nice this year.",
        ),
        (
            "the consequences",
            "The rooms are at fourteen degrees and the wall has begun to show mould.",
            "I have taken photographs that show the date.",
            "The cold is pleasant, and I would not want to change it.",
        ),
        (
            "the deadline",
            "Please have it repaired by the end of next week.",
            "A technician from CITY could come on any weekday.",
            "Take as long as you like, a few years would be fine.",
        ),
        (
            "access to the flat",
            "I am at home every day after four to let someone in.",
            "My neighbour has a key for the mornings.",
            "Nobody may enter, and I will not open the door.",
        ),
    ),
    _letter(
        "an invitation to a team event",
        (
            "date and place",
            "We meet on DAY at six at the old boathouse in CITY.",
            "The tram stops right at the gate.",
            "The date and the place will not be announced.",
        ),
        (
            "the programme",
            "After a short walk there will be a quiz, music and a barbecue.",
            "Those who like can take a boat out.",
            "There is no programme, and you should bring work.",
        ),
        (
            "what to bring",
            "Please bring a warm jacket and a dish for about NUMBER people if you can.",
            "Plates and drinks are taken care of.",
            "Bring your tax return and three forms of identification.",
        ),
        (
            "how to reply",
            "Let me know by the end of the week whether you will come.",
            "Partners and children are welcome as well.",
            "Replies will be deleted unread.",
        ),
    ),
    _letter(
        "a thank-you note after an interview",
        (
            "the thanks",
            "Thank you for the open conversation on DAY.",
            "The tour of the workshop in CITY was a pleasant surprise.",
            "The conversation was a waste of my afternoon.",
        ),
        (
            "what interested me most",
            "I was particularly interested in how your team of NUMBER plans its work.",
            "It matches what I enjoyed in my last project.",
            "I have forgotten what the position was about.",
        ),
        (
            "what I would contribute",
            "I could take over the reports from the first month on.",
            "I have attached a short example.",
            "I do not expect to contribute much.",
        ),
        (
            "the next step",
            "I look forward to hearing from you and am available for a second talk.",
            "Mornings suit me best.",
            "Please do not call me again.",
        ),
    ),
)
