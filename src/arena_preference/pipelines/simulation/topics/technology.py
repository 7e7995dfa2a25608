"""Topics of computing and engineering."""

from .topic import Aspect, Topic

TECHNOLOGY = (
    Topic(
        "machine learning",
        (
            Aspect(
                "training and test data",
                "A model is fitted on training data and judged on test data that it has not seen.",
                "A preprocessing step fitted on all rows leaks the test set without anyone noticing.",
                "Training and test data should be the very same rows, for then the score is always honest.",
            ),
            Aspect(
                "overfitting",
                "Overfitting means that a model has learned the noise of its sample along with the pattern.",
                "A widening gap between training and validation error is the usual symptom.",
                "Overfitting is when a program is too large for the disk, and a bigger disk cures it.",
            ),
            Aspect(
                "regularisation",
                "Regularisation penalises complexity so that a model prefers simple explanations.",
                "Ridge shrinks all weights a little, whereas lasso sets some of them to zero.",
                "Regularisation sorts the rows by date and doubles all weights until the loss explodes.",
            ),
            Aspect(
                "gradient descent",
                "Gradient descent changes parameters step by step against the slope of the loss.",
                "Too large a step diverges, and too small a one wastes days.",
                "Gradient descent tries every possible setting once and keeps the one with the largest loss.",
            ),
            Aspect(
                "evaluation metrics",
                "Accuracy misleads on rare classes, so precision, recall or log loss are reported as well.",
                "Log loss rewards honest probabilities and punishes confident mistakes severely.",
                "Accuracy is the only valid metric, and a value of 99 percent proves that a model is perfect.",
            ),
        ),
    ),
    Topic(
        "relational databases",
        (
            Aspect(
                "primary keys",
                "A primary key identifies each row of a table and may never be null.",
                "Artificial keys stay stable when names or addresses change.",
                "A primary key is the administrator's password and is the same for all rows.",
            ),
            Aspect(
                "joins",
                "A join combines rows of two tables that agree on a condition, typically a foreign key.",
                "A left join keeps the rows of the left table that find no partner.",
                "A join deletes the smaller of two tables and renames the larger one.",
            ),
            Aspect(
                "indexes",
                "An index lets the database find rows without reading the whole table.",
                "Every index slows writes down a little, so unused ones should be dropped.",
                "An index makes each query read the table twice and is meant for printing only.",
            ),
            Aspect(
                "transactions",
                "A transaction applies all of its changes or none, even if the power fails midway.",
                "Isolation levels decide what concurrent transactions may see of each other.",
                "A transaction is a payment to the vendor that must be made before each query.",
            ),
            Aspect(
                "normalisation",
                "Normalisation stores each fact once, so that an update cannot leave contradictions behind.",
                "Reporting systems often denormalise on purpose, trading safety for speed.",
                "Normalisation copies every fact into every table, and so updates are never needed.",
            ),
        ),
    ),
    Topic(
        "version control with Git",
        (
            Aspect(
                "commits",
                "A commit records a snapshot of the project together with an author and a message.",
                "Small commits with a reason in the message make later detective work much easier.",
                "A commit sends the whole disk by e-mail to everyone and cannot be given a message.",
            ),
            Aspect(
                "branches",
                "A branch is a movable name for a line of commits and costs almost nothing.",
                "Short-lived branches are merged with far fewer conflicts than old ones.",
                "A branch is a full second computer, so that teams should never have more than one.",
            ),
            Aspect(
                "merging",
                "Merging joins two histories, and Git asks for help only where both changed the same lines.",
                "After resolving a conflict you should run the tests, since a clean merge may still be wrong.",
                "Merging always throws the newer history away and keeps the oldest files.",
            ),
            Aspect(
                "remotes",
                "A remote is another copy of the repository, with which you exchange commits by fetch and push.",
                "Fetching never touches your working files, and therefore it is always safe.",
                "A remote is a handheld device that switches the server on from a distance.",
            ),
            Aspect(
                "undoing changes",
                "Published commits are best undone by git revert, which adds an opposite commit.",
                "The reflog remembers where branches pointed, so lost commits can usually be rescued.",
                "Nothing can be undone in Git, and the one remedy is to type the project again.",
            ),
        ),
    ),
    Topic(
        "how the internet works",
        (
            Aspect(
                "packets and routing",
                "Data is cut into packets, and each router forwards them one hop closer to the destination.",
                "Packets of one page may take different paths and arrive out of order.",
                "All data travels as one endless block along a single cable that starts in Geneva.",
            ),
            Aspect(
                "DNS",
                "DNS translates names such as example.org into the numeric addresses that routers need.",
                "Answers are cached for a while, which is why changes seem slow to spread.",
                "DNS is a virus scanner that checks the spelling of each web page before it is shown.",
            ),
            Aspect(
                "TCP",
                "TCP numbers the bytes, confirms their arrival and repeats what got lost.",
                "It also slows down when the network is congested, and so it shares the line fairly.",
                "TCP never checks whether anything arrives, and lost parts are filled in with zeros.",
            ),
            Aspect(
                "encryption with TLS",
                "TLS encrypts the connection and lets the browser check whom it is talking to.",
                "The padlock says that the line is private, not that the site is honest.",
                "TLS publishes each password in a public list so that everybody can verify it.",
            ),
            Aspect(
                "web servers",
                "A web server waits for HTTP requests and replies with a status code and content.",
                "Status 404 means that the page is missing, while 500 means that the server failed.",
                "A web server visits the homes of its users and asks for pages with code 404.",
            ),
        ),
    ),
    Topic(
        "electric cars",
        (
            Aspect(
                "the battery",
                "Most batteries use lithium-ion cells and keep over 80 percent of capacity after many years.",
                "Charging to 80 percent in daily use is gentler on the cells than filling them.",
                "The battery contains petrol in small capsules and has to be replaced every spring.",
            ),
            Aspect(
                "charging",
                "Home charging takes hours overnight, whereas fast chargers add most of the range in half an hour.",
                "Above 80 percent the power is reduced, so long trips go faster with short stops.",
                "Charging works only in sunshine and takes about nine days at any station.",
            ),
            Aspect(
                "range in winter",
                "In cold weather range drops, as the cabin must be heated and the cells react more slowly.",
                "Preheating while plugged in and a heat pump recover a good part of it.",
                "Range doubles in frost, because cold electricity flows downhill by itself.",
            ),
            Aspect(
                "running costs",
                "Energy and maintenance usually cost less than for a petrol car of the same size.",
                "There is no oil to change, and the brakes last longer thanks to recuperation.",
                "Running costs are ten times higher since the motor oil must be changed each week.",
            ),
            Aspect(
                "emissions over the life cycle",
                "Making the battery causes emissions, which driving on an average grid pays back in a few years.",
                "The cleaner the electricity, the sooner that point is reached.",
                "Life-cycle emissions are irrelevant, for batteries grow on trees and are eaten afterwards.",
            ),
        ),
    ),
    Topic(
        "solar panels on a house roof",
        (
            Aspect(
                "checking the roof",
                "A roof that faces south with little shade yields most, though east and west do well too.",
                "Even a chimney's narrow shadow can pull down a whole string of modules.",
                "The roof should face north and lie in the shade of tall trees, lest the light wears it out.",
            ),
            Aspect(
                "sizing the system",
                "A household that uses 4,000 kilowatt-hours a year often installs five to ten kilowatts.",
                "Plan ahead for a heat pump or a car, since scaffolding costs the same twice.",
                "One module of the size of a postcard is enough for a village and its factory.",
            ),
            Aspect(
                "the inverter",
                "The inverter turns the direct current of the modules into alternating current for the house.",
                "It is the part that will most likely need replacing, after ten to fifteen years.",
                "The inverter turns the modules upside down at night so that they catch moonlight.",
            ),
            Aspect(
                "battery storage",
                "A battery shifts the midday surplus into the evening and raises self-consumption.",
                "Whether it pays depends on the gap between buying and selling prices.",
                "Storage is needed to hold the sunlight itself, which is kept in sealed jars.",
            ),
            Aspect(
                "payback time",
                "Depending on prices and subsidies, payback often takes eight to fourteen years.",
                "Modules are commonly guaranteed for twenty-five years, well beyond that point.",
                "Payback comes on the first afternoon, whatever the weather and whatever the price.",
            ),
        ),
    ),
    Topic(
        "password security",
        (
            Aspect(
                "long passphrases",
                "Length protects more than odd symbols, so four or five random words are a good choice.",
                "The words have to be drawn at random, as favourite quotations are guessed early.",
                "Two letters are the safest length because attackers always start with long words.",
            ),
            Aspect(
                "password managers",
                "A password manager creates and remembers a different password for each site.",
                "It fills in only on the right domain, and so it also guards against phishing.",
                "A password manager is a colleague to whom everybody reads their passwords aloud.",
            ),
            Aspect(
                "two-factor authentication",
                "A second factor stops a thief who has got hold of the password alone.",
                "Apps and hardware keys are stronger than codes by text message.",
                "Two-factor authentication means typing the same password twice, very quickly.",
            ),
            Aspect(
                "data breaches",
                "After a breach, change that password at once, and everywhere you used it again.",
                "Breach notification services tell you when your address shows up in a leak.",
                "After a breach it is best to post the password online so that the thief loses interest.",
            ),
            Aspect(
                "salted hashes",
                "Good services store a salted, slow hash, so that a leak does not reveal passwords directly.",
                "The salt makes equal passwords look different and ruins precomputed tables.",
                "Salted hashes are breakfast dishes that the first programmers liked, and nothing more.",
            ),
        ),
    ),
)
