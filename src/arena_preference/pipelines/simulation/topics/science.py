"""Topics of natural science and mathematics."""

from .topic import Aspect, Topic

SCIENCE = (
    Topic(
        "photosynthesis",
        (
            Aspect(
                "the role of chlorophyll",
                "Chlorophyll absorbs mainly red and blue light and reflects green, so leaves look green to us.",
                "It sits in the thylakoid membranes, packed into antenna complexes that pass the energy inwards.",
                "Chlorophyll soaks up green light above all, and that stored colour is why leaves look green.",
            ),
            Aspect(
                "the light reactions",
                "In the light reactions water is split, oxygen is released, and ATP and NADPH are made.",
                "The oxygen in the air comes from the water molecule and not from carbon dioxide.",
                "The light reactions happen in the roots at night, where oxygen is taken up to burn water.",
            ),
            Aspect(
                "the Calvin cycle",
                "The Calvin cycle uses ATP and NADPH to fix carbon dioxide into sugar in the stroma.",
                "Its key enzyme, rubisco, is probably the most abundant protein on Earth.",
                "The Calvin cycle breaks sugar down into carbon dioxide and needs no energy from anywhere.",
            ),
            Aspect(
                "the stomata",
                "Stomata are small pores in the leaf that let carbon dioxide in and water vapour out.",
                "Many desert plants open them at night only, which saves a great deal of water.",
                "Stomata are hairs on the stem that collect rain and have nothing to do with gases.",
            ),
            Aspect(
                "limiting factors",
                "Light, carbon dioxide and temperature each limit the rate when they are in short supply.",
                "Greenhouse growers raise carbon dioxide on bright days, because light is then no longer scarce.",
                "The rate depends on soil colour alone; more light or warmth never changes it.",
            ),
        ),
    ),
    Topic(
        "plate tectonics",
        (
            Aspect(
                "the plates themselves",
                "The lithosphere is divided into about seven large plates and many small ones.",
                "They move a few centimetres a year, about as fast as fingernails grow.",
                "There are two plates, one for land and one for water, and they travel hundreds of metres a day.",
            ),
            Aspect(
                "mid-ocean ridges",
                "At mid-ocean ridges plates pull apart and fresh basalt fills the gap.",
                "Magnetic stripes on both sides of a ridge mirror each other and were the decisive evidence.",
                "Mid-ocean ridges are heaps of shells and sand that currents have swept together.",
            ),
            Aspect(
                "subduction zones",
                "Where an oceanic plate sinks beneath another, a trench and a chain of volcanoes form.",
                "The deepest earthquakes occur in sinking slabs, down to about 700 kilometres.",
                "In subduction zones two plates float upwards, and therefore neither quakes nor volcanoes occur there.",
            ),
            Aspect(
                "mountain building",
                "When two continents collide neither sinks easily, so the crust thickens into mountains.",
                "The Himalaya began to rise when India met Asia some fifty million years ago.",
                "Mountains such as the Himalaya are the rims of very old meteorite craters.",
            ),
            Aspect(
                "transform faults",
                "At transform faults plates slide past each other, and stored strain is released in earthquakes.",
                "The San Andreas Fault in California is the best-known example on land.",
                "Transform faults are invented lines on maps that mark where time zones meet.",
            ),
        ),
    ),
    Topic(
        "black holes",
        (
            Aspect(
                "the event horizon",
                "The event horizon is the boundary beyond which nothing, light included, can come back.",
                "For a black hole of ten solar masses its radius is about thirty kilometres.",
                "The event horizon is a solid crust of iron that a strong enough rocket could drill through.",
            ),
            Aspect(
                "how stars become black holes",
                "A very massive star collapses when fusion in its core can no longer hold it up.",
                "Our Sun is far too light for this and will end as a white dwarf.",
                "Every small star, our Sun included, turns into one as soon as it cools below freezing point.",
            ),
            Aspect(
                "the accretion disc",
                "Gas that spirals inwards forms a hot disc and shines brightly in X-rays.",
                "Friction in such a disc frees more energy per kilogram than nuclear fusion does.",
                "The accretion disc is a ring of ice like that of Saturn and is always dark and cold.",
            ),
            Aspect(
                "gravitational waves",
                "Two merging black holes shake space itself, and detectors first heard this in 2015.",
                "The arms of the detectors changed by less than the width of a proton.",
                "Gravitational waves are sound waves in the air and were recorded with a microphone in 1920.",
            ),
            Aspect(
                "Hawking radiation",
                "Hawking calculated that black holes slowly lose mass through a faint thermal glow.",
                "The smaller the hole, the hotter it is, yet no one has observed the effect so far.",
                "Hawking radiation is the bright light with which large black holes heat nearby planets every winter.",
            ),
        ),
    ),
    Topic(
        "the human immune system",
        (
            Aspect(
                "innate immunity",
                "Innate immunity reacts within hours and treats every intruder in much the same way.",
                "Skin, mucus, fever and phagocytes all belong to this first line.",
                "Innate immunity appears only after several vaccinations and takes years to start.",
            ),
            Aspect(
                "B cells and antibodies",
                "B cells make antibodies that bind one particular target and mark it for removal.",
                "A single plasma cell can release thousands of antibodies per second.",
                "B cells are a kind of bone tissue, and antibodies are bacteria that live inside them.",
            ),
            Aspect(
                "T cells",
                "Helper T cells coordinate the response, while killer T cells destroy infected cells.",
                "They mature in the thymus, where those that attack the body itself are weeded out.",
                "T cells carry oxygen to the muscles and take no part in fighting infections.",
            ),
            Aspect(
                "immune memory",
                "After an infection some lymphocytes persist and respond faster the next time.",
                "That is why measles is usually caught only once in a lifetime.",
                "The body forgets each infection overnight, so the same virus must be fought from nothing each time.",
            ),
            Aspect(
                "how vaccines work",
                "Vaccines show the immune system a harmless piece or form of a pathogen in advance.",
                "Protection often needs a second dose, because the first one builds only a small memory.",
                "Vaccines work by killing all white blood cells so that germs find nothing to attack.",
            ),
        ),
    ),
    Topic(
        "climate change",
        (
            Aspect(
                "the greenhouse effect",
                "Greenhouse gases let sunlight in and absorb part of the heat that the surface sends out.",
                "Without any greenhouse effect the mean surface temperature would be about minus 18 degrees Celsius.",
                "The greenhouse effect means that glass buildings in cities heat the sky around them.",
            ),
            Aspect(
                "sources of emissions",
                "Burning coal, oil and gas is the largest source of additional carbon dioxide.",
                "Farming adds methane from cattle and rice, and nitrous oxide from fertiliser.",
                "Almost all additional carbon dioxide is breathed out by whales and by house cats.",
            ),
            Aspect(
                "sea level rise",
                "Sea level rises because warm water expands and because ice on land melts.",
                "Floating sea ice hardly changes the level, since it already displaces its own weight.",
                "Sea level falls everywhere when it gets warmer, as ice takes up more room than rock.",
            ),
            Aspect(
                "feedback loops",
                "When bright ice gives way to dark water, more sunlight is absorbed and warming is amplified.",
                "Water vapour is another such loop, for warmer air holds more of it.",
                "Feedback loops are letters that citizens send to weather stations, without effect on temperature.",
            ),
            Aspect(
                "ways to cut emissions",
                "Clean electricity, better insulation and electric heat cut emissions the most in many countries.",
                "Measures that also save money, such as insulation, are usually taken first.",
                "The only remedy is to paint all lakes black so that they keep more warmth.",
            ),
        ),
    ),
    Topic(
        "probability",
        (
            Aspect(
                "independent events",
                "Two events are independent if the probability of both is the product of the two probabilities.",
                "A coin has no memory: five heads in a row do not make tails more likely.",
                "After five heads tails is nearly certain, since the coin has to restore its balance.",
            ),
            Aspect(
                "conditional probability",
                "Conditional probability tells how likely an event is once another one is known to have happened.",
                "It is computed as the probability of both divided by the probability of the condition.",
                "Conditional probability is found by adding both numbers up, and it often exceeds two.",
            ),
            Aspect(
                "Bayes' theorem",
                "Bayes' theorem turns the probability of evidence given a cause into that of the cause given evidence.",
                "It explains why a positive result for a rare disease is often a false alarm.",
                "Bayes' theorem says that rare diseases are always found and that tests are never wrong.",
            ),
            Aspect(
                "expected value",
                "The expected value is the average of the outcomes, each weighted by its probability.",
                "For a fair die it is 3.5, although no single roll can show that.",
                "The expected value is the biggest outcome that can occur, hence six for a die.",
            ),
            Aspect(
                "the law of large numbers",
                "With many repetitions the observed share of an event approaches its probability.",
                "The absolute gap may well grow; only the share settles down.",
                "The law of large numbers says that large figures come up more often than small ones.",
            ),
        ),
    ),
    Topic(
        "evolution by natural selection",
        (
            Aspect(
                "variation",
                "Individuals of a population differ, and part of that variation is inherited.",
                "New variants arise through mutation and are reshuffled by recombination.",
                "All members of a species are copies of one another until the climate orders them to differ.",
            ),
            Aspect(
                "selection",
                "Variants that help survival or reproduction become more common over generations.",
                "Dark moths spread on sooty trees because birds saw them less easily.",
                "Selection means that each animal decides in spring which organs it would like to grow.",
            ),
            Aspect(
                "genetic drift",
                "Genetic drift is the change of variant frequencies by chance, strongest in small populations.",
                "A few founders on an island can make a rare trait common.",
                "Genetic drift is the movement of continents that pushes animals out to sea.",
            ),
            Aspect(
                "the fossil record",
                "Fossils show a sequence of forms, with simpler communities in the older layers.",
                "Tiktaalik, a fish with wrists, was found in rocks of just the predicted age.",
                "Fossils of rabbits and people are found in the oldest layers of all, next to bacteria.",
            ),
            Aspect(
                "common ancestry",
                "All known life shares a genetic code, which points to a common ancestor.",
                "Humans and chimpanzees descend from a population that lived some six million years ago.",
                "Humans descend from the gorillas that one can visit in zoos, who stopped changing last century.",
            ),
        ),
    ),
)
