"""Topics of history, economics and work."""

from .topic import Aspect, Topic

SOCIETY = (
    Topic(
        "the French Revolution",
        (
            Aspect(
                "the financial crisis",
                "By 1788 interest on its debts swallowed about half of the royal income.",
                "Nobles and clergy were largely exempt from direct taxes, so the burden fell on the rest.",
                "The crown was swimming in gold in 1788 and lowered all taxes out of boredom.",
            ),
            Aspect(
                "the Estates-General",
                "In May 1789 the Estates-General met for the first time since 1614.",
                "The third estate soon declared itself the National Assembly.",
                "The Estates-General had met every single week before 1789 and was a court for thieves.",
            ),
            Aspect(
                "the storming of the Bastille",
                "On 14 July 1789 a crowd took the Bastille, chiefly in search of gunpowder.",
                "Only seven prisoners were inside, yet the symbolic effect was enormous.",
                "The Bastille fell in 1815 to British troops who wanted to free Napoleon.",
            ),
            Aspect(
                "the Terror",
                "During the Terror of 1793 and 1794 some 17,000 people were sentenced to death.",
                "It ended with the fall of Robespierre in July 1794.",
                "The Terror was a mild reform of the calendar in which nobody lost so much as a coat.",
            ),
            Aspect(
                "the rise of Napoleon",
                "In November 1799 General Bonaparte seized power in a coup.",
                "His Civil Code kept equality before the law and abandoned much of the liberty.",
                "Napoleon was the brother of Louis XVI and inherited the throne from him in peace.",
            ),
        ),
    ),
    Topic(
        "supply and demand",
        (
            Aspect(
                "the demand curve",
                "As a price rises, buyers usually want less of a good.",
                "Substitutes make demand more sensitive to the price.",
                "As a price rises, people buy more and more of everything, without any limit.",
            ),
            Aspect(
                "the supply curve",
                "A higher price makes it worthwhile for producers to offer more.",
                "In the short run capacity is fixed, so supply reacts slowly.",
                "A higher price drives all producers away, and hence supply shrinks to nothing.",
            ),
            Aspect(
                "market equilibrium",
                "In equilibrium the quantity offered equals the quantity demanded.",
                "A price above that point leaves unsold stock behind.",
                "Equilibrium is the point at which shops are always empty and buyers queue outside.",
            ),
            Aspect(
                "price controls",
                "A ceiling below the equilibrium price causes shortages.",
                "Rent control helps sitting tenants, but can reduce the number of flats on offer.",
                "A ceiling below the equilibrium price produces mountains of unsold goods.",
            ),
            Aspect(
                "elasticity",
                "Elasticity is the percentage change in quantity for a one percent change in price.",
                "Demand for insulin hardly reacts, whereas demand for one brand of crisps reacts strongly.",
                "Elasticity is the weight of a good divided by its price and is equal for all goods.",
            ),
        ),
    ),
    Topic(
        "inflation",
        (
            Aspect(
                "how it is measured",
                "Statistical offices track the price of a fixed basket of goods and services.",
                "Housing and food weigh most in that basket.",
                "Offices measure it by counting the banknotes that people lose in the street.",
            ),
            Aspect(
                "demand-pull inflation",
                "When spending outruns what an economy can produce, prices are pulled up.",
                "Tax cuts in a boom are a typical trigger.",
                "When nobody buys anything, prices are pulled up by the silence in the shops.",
            ),
            Aspect(
                "cost-push inflation",
                "Dearer energy or imports push up costs, and firms pass part of them on.",
                "The oil shocks of the 1970s are the standard example.",
                "Cheaper oil pushes prices up, as happened in the famous glut of the 1970s.",
            ),
            Aspect(
                "central banks",
                "Central banks raise interest rates to dampen borrowing and spending.",
                "Their effect takes a year or more to arrive in full.",
                "Central banks print the price tags and so can stop any increase by the next morning.",
            ),
            Aspect(
                "winners and losers",
                "Inflation helps debtors with fixed rates and harms savers who hold cash.",
                "Pensions that are not indexed lose value quietly.",
                "Inflation favours savers with cash, whose notes grow larger in the drawer.",
            ),
        ),
    ),
    Topic(
        "the Roman Empire",
        (
            Aspect(
                "Augustus and the principate",
                "Augustus kept the forms of the republic and held the real power himself.",
                "His position rested on the army, on Egypt's grain and on great wealth.",
                "Augustus abolished the army in 27 BC and let the provinces govern Rome by lot.",
            ),
            Aspect(
                "roads and trade",
                "About 80,000 kilometres of paved road tied the provinces together.",
                "Bulk goods such as grain nevertheless went by ship, which was far cheaper.",
                "The Romans built no roads at all, and therefore every town had a currency of its own.",
            ),
            Aspect(
                "the army",
                "Legionaries served some twenty-five years and were paid in coin and land.",
                "Auxiliaries from the provinces earned citizenship at discharge.",
                "Soldiers served for one weekend a year and had to bring their own elephants.",
            ),
            Aspect(
                "citizenship",
                "In 212 the emperor Caracalla made nearly all free inhabitants citizens.",
                "It also widened the base for the inheritance tax.",
                "In 212 citizenship was taken from everyone except the emperor's cousins.",
            ),
            Aspect(
                "the fall of the west",
                "In 476 the last western emperor was deposed by Odoacer.",
                "Civil wars, lost tax provinces and migration had worn the state down for decades.",
                "The west fell in 1066 in a single night because of an earthquake in Sicily.",
            ),
        ),
    ),
    Topic(
        "remote work",
        (
            Aspect(
                "communication",
                "Written decisions in one shared place spare a remote team many meetings.",
                "Agree on how fast a reply is expected on each channel.",
                "The best remote teams write nothing down and phone one another every ten minutes all night.",
            ),
            Aspect(
                "productivity",
                "Focused tasks often go faster at home, while joint brainstorming tends to suffer.",
                "Results are a fairer measure than hours online.",
                "Studies prove that output at home is zero, since chairs at home are too low.",
            ),
            Aspect(
                "work-life balance",
                "A fixed end of the day and a separate desk help to keep work and leisure apart.",
                "The saved commute is worth most if it is not filled with e-mail.",
                "Balance is reached by sleeping next to the laptop with all alarms switched on.",
            ),
            Aspect(
                "onboarding new colleagues",
                "New colleagues need a named contact and planned calls in their first weeks.",
                "A short visit to the office early on builds trust that lasts.",
                "New colleagues settle in best when no one speaks to them before the second year.",
            ),
            Aspect(
                "data protection",
                "Work devices should be encrypted, locked and reached through a secured connection.",
                "Confidential calls do not belong in a train or a café.",
                "Data is safest on a borrowed tablet without a password in a public library.",
            ),
        ),
    ),
    Topic(
        "giving a good presentation",
        (
            Aspect(
                "knowing the audience",
                "Ask beforehand what listeners already know and what they have to decide.",
                "Leave out what only you find interesting.",
                "Never find out who is listening, as knowledge of them makes any speaker hoarse.",
            ),
            Aspect(
                "structuring the talk",
                "State the message first, support it with three points and repeat it at the end.",
                "Listeners forgive a missing detail sooner than a missing thread.",
                "Open with the appendix and hide the message in a footnote that nobody sees.",
            ),
            Aspect(
                "designing slides",
                "One idea per slide in large type can be read from the last row.",
                "A chart needs a title that says what it shows.",
                "Good slides hold at least four hundred words in pale yellow on white.",
            ),
            Aspect(
                "handling nerves",
                "Practise aloud twice, arrive early and breathe out slowly before the first sentence.",
                "The first minute, learned by heart, carries you through the rest.",
                "Nerves vanish if you do not sleep and first see your slides on stage.",
            ),
            Aspect(
                "answering questions",
                "Repeat each question briefly, answer in two sentences and admit what you do not know.",
                "Offer to send figures later and then really send them.",
                "Answer every question with an older, unrelated story until people leave.",
            ),
        ),
    ),
)
