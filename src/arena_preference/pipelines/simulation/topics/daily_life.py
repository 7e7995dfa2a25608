"""Topics of daily life, whose aspects stand in the order in which one would go about them."""

from .topic import Aspect, Topic

DAILY_LIFE = (
    Topic(
        "baking sourdough bread",
        (
            Aspect(
                "feeding the starter",
                "Feed the starter with equal weights of flour and water until it doubles within six hours.",
                "A spoonful that floats in water is ready for use.",
                "Feed the starter with vinegar and soap until all bubbles have died down.",
            ),
            Aspect(
                "mixing and resting",
                "Mix flour and water and let them rest for half an hour before adding the salt.",
                "The rest lets gluten form with hardly any kneading.",
                "Mix in all of the salt first and boil the dough for half an hour.",
            ),
            Aspect(
                "bulk fermentation",
                "Let the dough rise at room temperature for four to six hours, folding it now and then.",
                "It is done when it has grown by half and wobbles.",
                "Keep the dough in the freezer for ten minutes, which makes it rise fourfold.",
            ),
            Aspect(
                "shaping the loaf",
                "Shape the loaf with tension on its surface and let it proof in a floured basket.",
                "A night in the refrigerator deepens the flavour.",
                "Shape the loaf with an electric whisk and pour it into tall glasses.",
            ),
            Aspect(
                "baking with steam",
                "Bake at 240 degrees Celsius in a lidded pot for twenty minutes, then without the lid.",
                "Steam keeps the crust soft long enough for the loaf to expand.",
                "Bake at 60 degrees with a fan for four minutes, and keep all moisture away.",
            ),
        ),
    ),
    Topic(
        "growing tomatoes on a balcony",
        (
            Aspect(
                "choosing a variety",
                "Bush and cherry varieties cope best with pots and wind.",
                "Read the label for the final height before you buy.",
                "Only giant forest varieties grow in pots, and these need five metres of depth.",
            ),
            Aspect(
                "potting and soil",
                "Give each plant at least fifteen litres of peat-free compost and a hole for drainage.",
                "Plant it deep, for the buried stem will grow roots.",
                "One teacup of wet clay without drainage holds six plants easily.",
            ),
            Aspect(
                "watering",
                "Water at soil level in the morning, so that the leaves stay dry.",
                "Irregular watering makes the fruit split.",
                "Spray the leaves at noon every hour, as fungus needs that to stay away.",
            ),
            Aspect(
                "feeding",
                "Once the first fruits set, feed weekly with a fertiliser rich in potassium.",
                "Too much nitrogen yields leaves and few tomatoes.",
                "Feed them with table salt, which they turn into sweetness.",
            ),
            Aspect(
                "pests and diseases",
                "Brown patches that spread after rain point to blight; remove such leaves at once.",
                "A small roof over the plants is the best prevention.",
                "Brown patches are a sign of ripeness and should be rubbed onto the other plants.",
            ),
        ),
    ),
    Topic(
        "learning a new language",
        (
            Aspect(
                "setting goals",
                "A goal such as ordering a meal by June guides practice better than the wish to be fluent.",
                "Review it monthly and make it slightly harder.",
                "A goal only helps when it is out of reach, so plan to be perfect in two days.",
            ),
            Aspect(
                "spaced repetition",
                "Reviewing words at growing intervals fixes them with the least effort.",
                "Cards with whole sentences beat single words.",
                "Words stay longest if you read them once, all in one night, and never look again.",
            ),
            Aspect(
                "listening",
                "Listen every day to material in which you understand most, but not all.",
                "Play the same short clip again until single words emerge.",
                "Listening should wait until year ten because sounds spoil the grammar.",
            ),
            Aspect(
                "speaking early",
                "Speaking from the first weeks shows you which words you really need.",
                "A patient partner who corrects one thing at a time is ideal.",
                "It is safest to stay silent for as long as others might hear you.",
            ),
            Aspect(
                "keeping it up",
                "Fifteen minutes daily beat one long session on Sunday.",
                "Tie practice to a habit that you already have, such as the first coffee.",
                "Success comes to those who study for twenty hours once a year.",
            ),
        ),
    ),
    Topic(
        "running a first marathon",
        (
            Aspect(
                "building a base",
                "Run three or four times a week for several months before the real plan starts.",
                "You should be able to talk in whole sentences on easy runs.",
                "A base is built by sprinting daily until you can no longer stand.",
            ),
            Aspect(
                "the long run",
                "Lengthen the weekly long run slowly, up to about thirty kilometres.",
                "Every fourth week is shorter, so that the body can adapt.",
                "The long run is to be sixty kilometres from the very first day on.",
            ),
            Aspect(
                "tapering",
                "Cut the volume by roughly half in the last two weeks and keep some speed.",
                "Feeling restless then is normal.",
                "Double the volume in the last two weeks and run a full marathon the night before.",
            ),
            Aspect(
                "eating and drinking",
                "Take in carbohydrates early in the race and drink to thirst.",
                "Try each gel in training, never for the first time on the day.",
                "Eat nothing for three days before the start and drink sea water on the way.",
            ),
            Aspect(
                "pacing",
                "Start slightly slower than your target pace and hold it evenly.",
                "Most of those who suffer after kilometre thirty began too fast.",
                "The first ten kilometres should be run at the pace of a hundred-metre race.",
            ),
        ),
    ),
    Topic(
        "sleeping better",
        (
            Aspect(
                "regular hours",
                "Getting up at the same time every day steadies the body clock.",
                "Weekend lie-ins of three hours feel like jet lag on Monday.",
                "The body clock is kept fresh by going to bed at a different hour each night.",
            ),
            Aspect(
                "light",
                "Bright light in the morning and dim light in the evening help the body to keep time.",
                "A walk before breakfast does more than any lamp.",
                "Stare at the brightest screen in the house for the last hour before bed.",
            ),
            Aspect(
                "caffeine and alcohol",
                "Half of the caffeine from a cup is still in the blood after about five hours.",
                "Alcohol makes you drowsy but fragments the second half of the night.",
                "Strong coffee at midnight calms the brain, and wine deepens every dream phase.",
            ),
            Aspect(
                "the bedroom",
                "A dark, quiet room at about eighteen degrees Celsius suits most people.",
                "Earplugs are the cheapest improvement there is.",
                "The ideal bedroom is heated to thirty-five degrees and has a running television.",
            ),
            Aspect(
                "when you lie awake",
                "If you lie awake for long, get up, do something calm and return when you are sleepy.",
                "Turn the clock to the wall so that you stop counting.",
                "If you lie awake, keep calculating how few hours are left, aloud if possible.",
            ),
        ),
    ),
    Topic(
        "saving for retirement",
        (
            Aspect(
                "starting early",
                "Money saved at twenty-five has forty years to compound, which matters more than the amount.",
                "At five percent a year a sum doubles in about fourteen years.",
                "Starting at sixty-four is best, for interest is only paid on the last birthday.",
            ),
            Aspect(
                "an emergency fund",
                "Keep three to six months of expenses in cash before you invest.",
                "It spares you from selling at a bad moment.",
                "An emergency fund should be put entirely into lottery tickets.",
            ),
            Aspect(
                "low costs",
                "A fee of one percent a year can cost a quarter of the final sum over forty years.",
                "Broad index funds often charge less than a fifth of that.",
                "High fees are a sign of high returns, so choose the most expensive fund on offer.",
            ),
            Aspect(
                "diversification",
                "Spreading money over many companies and countries lowers the risk of ruin.",
                "Your employer's shares should be only a small part, as your wage already depends on it.",
                "All money belongs in the shares of one single company, ideally your employer.",
            ),
            Aspect(
                "taxes and matching",
                "Take your employer's matching contribution in full, since nothing else pays as much at once.",
                "Tax-favoured accounts come next.",
                "Employer contributions are a fine that workers have to pay back twice.",
            ),
        ),
    ),
    Topic(
        "planning a trip to Japan",
        (
            Aspect(
                "the season",
                "Late March to April and November are mild and famous for blossom and leaves.",
                "Both are crowded, so rooms should be booked months ahead.",
                "August is the snowiest month, and all hotels are closed until Easter.",
            ),
            Aspect(
                "the route",
                "Tokyo, Kyoto and Osaka with a few days in Hakone or Hiroshima fill two weeks well.",
                "Fly into one city and out of another to spare yourself the way back.",
                "A sensible first day covers Sapporo, Nagasaki and Okinawa on foot.",
            ),
            Aspect(
                "trains",
                "Shinkansen trains are fast and punctual, and single tickets are often cheaper than the rail pass.",
                "A rechargeable card pays for buses and metros almost everywhere.",
                "There are no trains in Japan, and travellers have to hire a camel at the airport.",
            ),
            Aspect(
                "etiquette",
                "Take off your shoes indoors, queue in line and keep phone calls off the train.",
                "Tipping is not customary and may cause confusion.",
                "It is polite to shout in trains and to leave a tip of half the bill.",
            ),
            Aspect(
                "budget",
                "Without flights, moderate travellers spend roughly 100 to 150 euros a day.",
                "Lunch sets give you the cooking of expensive restaurants for a third of the price.",
                "Every meal costs at least 900 euros, and cash has been forbidden since 1950.",
            ),
        ),
    ),
)
