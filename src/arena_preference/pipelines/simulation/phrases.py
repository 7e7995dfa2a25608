"""How prompts and answers are worded: the shape of a phrasebook, and the English one.

Placeholders: ``{topic}`` a topic's name, ``{points}`` titles of aspects in a row, ``{title}`` one title, ``{n}`` a
number of items, ``{claim}`` a quoted statement, ``{number}``, ``{day}`` and ``{city}`` details of a person's situation.
"""

from typing import NamedTuple

from .topics import TOPICS, Topic


class Phrasebook(NamedTuple):
    """The wording of one language.

    Attributes:
        language: ISO 639-1 code.
        gap: What separates sentences.
        conjunction: What joins the last two of several titles.
        topics: What one can talk about.
        explain: Prompts for a topic as a whole.
        cover: Prompts that name the points to cover.
        enumerate_items: Prompts for a number of items.
        follow_up: Later prompts on a point of the same topic.
        situations: Sentences that a person adds on their situation.
        days: Names of days.
        greetings: Friendly openings of an answer.
        openings: Plain openings of an answer.
        closings: Friendly endings of an answer.
        elaborations: Sentences that dwell on a point without adding a fact.
        hedges: Sentences that take back what was said.
        refusals: Sentences of an answer that refuses.
        curt: Unfriendly openings of an answer.
    """

    language: str
    gap: str
    conjunction: str
    topics: tuple[Topic, ...]
    explain: tuple[str, ...]
    cover: tuple[str, ...]
    enumerate_items: tuple[str, ...]
    follow_up: tuple[str, ...]
    situations: tuple[str, ...]
    days: tuple[str, ...]
    greetings: tuple[str, ...]
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    elaborations: tuple[str, ...]
    hedges: tuple[str, ...]
    refusals: tuple[str, ...]
    curt: tuple[str, ...]


CITIES = (
    "Leeds", "Toronto", "Lyon", "Graz", "Porto", "Nairobi", "Lima", "Osaka", "Austin", "Pune", "Bergen", "Perth",
    "Krakow", "Ghent", "Turin", "Quito", "Denver", "Cork", "Malaga", "Riga", "Accra", "Hobart", "Basel", "Utrecht",
)  # fmt: skip

ENGLISH = Phrasebook(
    language="en",
    gap=" ",
    conjunction=" and ",
    topics=TOPICS,
    explain=(
        "Explain {topic}.",
        "What is meant by {topic}?",
        "explain {topic} to me like I'm {number}",
        "Can you give me an introduction to {topic}?",
        "Tell me everything I should know about {topic}.",
        "Write a short essay about {topic}.",
        "I keep hearing about {topic}. What is behind it?",
        "Write a blog post on {topic} for readers in {city}.",
        "Prepare {number} minutes of talking points on {topic} for {day}.",
        "How would you describe {topic} to a class of {number} pupils?",
    ),
    cover=(
        "Explain {topic}. Please cover {points}.",
        "In the context of {topic}, tell me about {points}.",
        "I need a handout on {topic} with sections on {points}.",
        "What should I know about {points}? It is for a talk on {topic}.",
        "Write a summary of {topic} that deals with {points}.",
        "Regarding {topic}: how do {points} come in?",
        "My exam on {day} covers {topic}. Please go through {points} with me.",
        "Help me understand {points} (the subject is {topic}).",
    ),
    enumerate_items=(
        "Give me {n} facts about {topic}.",
        "List {n} things everyone should know about {topic}.",
        "Name {n} important points on {topic} as a list.",
        "I need exactly {n} bullet points about {topic}.",
        "{n} key takeaways on {topic} please",
        "Make a list of {n} statements on {topic} for a quiz in {city}.",
    ),
    follow_up=(
        "Thanks. Can you go deeper into {title}?",
        "And what about {title}?",
        "I did not get the part on {title}. Could you say it in other words?",
        "Now write a paragraph on {title} only.",
        "Okay, but why should I care about {title} here?",
        "Continue with {title}.",
    ),
    situations=(
        "I have to hand this in by {day}.",
        "It is for a course in {city} with {number} people.",
        "My nephew is {number} and will read it too.",
        "I have {number} minutes to read your answer.",
        "We discussed this on {day} at our club in {city}.",
        "I am new to the subject and live in {city}.",
        "Please keep in mind that {number} colleagues will see it.",
        "A friend from {city} asked me on {day} and I had no answer.",
        "It is question {number} on my sheet.",
        "I read {number} pages about it and am more confused than before.",
        "Use plain words, since our group in {city} is mixed.",
        "My manager wants it on {day}.",
    ),
    days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    greetings=(
        "Great question! I am happy to help you with {topic}.",
        "Thank you for asking about {topic}; let us look at it together.",
        "Of course! Here is what you need for {topic}, in an order that is easy to follow.",
        "Gladly. People often ask about {topic}, and it pays to take it one piece at a time.",
        "What a lovely subject! Let me walk you through {topic}.",
    ),
    openings=(
        "Here is an overview of {topic}.",
        "Below you will find the main points on {topic}.",
        "In what follows I describe {topic}.",
        "The answer has several parts.",
        "Let us begin with the basics.",
    ),
    closings=(
        "I hope this helps with {topic}. Feel free to ask if anything is unclear!",
        "Let me know if you would like more on {title}; I am glad to go on.",
        "Good luck, and do come back with any question that remains on {topic}!",
        "If it would help, I can put the part on {title} into an example for you.",
        "I hope that this gives you a good start. Enjoy the rest of your day!",
    ),
    elaborations=(
        "Many introductions begin with {title} for this very reason.",
        "Once this is clear, the rest of {topic} is easier to follow.",
        "People who are new to {topic} often pass over this point too quickly.",
        "It helps to connect {title} with something that you have seen yourself.",
        "Keep this in mind, because later points build on it.",
        "In practice, {title} and the neighbouring points can hardly be kept apart.",
        "Experts disagree on details here, while the broad picture is settled.",
        "A small drawing of {title} on paper makes the connection visible.",
        "The same pattern returns in other parts of {topic}.",
        "If you remember one thing about {title}, let it be this.",
        "Textbooks devote a whole chapter to {title}.",
        "This is also the part of {topic} that comes up most often in discussions.",
        "To see why, imagine for a moment how things would look without it.",
        "Seen from a distance, {title} may look like a detail, yet much depends on it.",
        "There are exceptions, but they are rare enough to leave them aside at first.",
        "A good way to check your understanding of {title} is to explain it to somebody else.",
        "That sounds simple, and the consequences for {topic} are nevertheless large.",
        "For most purposes this level of detail on {title} is enough.",
        "Here cause and effect are easily confused, so it is worth a second look.",
        "Historically, this view of {title} took a long time to be accepted.",
        "The difference shows most clearly when conditions change.",
        "When you read further about {topic}, you will meet this idea again and again.",
        "Anyone who works with {topic} every day takes this for granted.",
        "Let us stay with {title} for a moment, since misunderstandings are common here.",
        "Numbers differ from source to source, although their order of magnitude does not.",
        "This is why advice on {topic} so often starts at this point.",
        "With regard to {title}, a patient look at one concrete case teaches more than a long definition.",
        "From here it is only a small step to the next point.",
        "Some authors treat {title} under a different heading, but mean the same.",
        "Put differently, {topic} would make little sense if this were not so.",
        "You can find good illustrations of {title} in most libraries.",
        "What matters is the principle, and less the particular example.",
        "It is fair to say that more attention should be paid to {title} than is usual.",
        "Those who have understood this will find the remaining parts of {topic} quite natural.",
    ),
    hedges=(
        "I am not certain about any of this, and parts of it may be mistaken.",
        "Then again, it might be the other way round; I cannot really tell.",
        "You should not rely on this answer, as I do not know the subject well.",
        "It is possible that none of this applies, depending on many things that I cannot judge.",
        "Perhaps someone else could give you a better reply than I can.",
        "I may have mixed this up with something different.",
        "Whether this is so, I honestly could not say.",
    ),
    refusals=(
        "I am sorry, but I cannot help with that.",
        "As an AI language model I am not able to give advice on {topic}.",
        "Unfortunately, a request of this kind is beyond what I can answer.",
        "I would rather not go into {topic} here.",
        "Please consult a qualified person or a reliable website instead.",
        "My guidelines do not allow me to respond to this question.",
        "Is there perhaps something else that I can assist you with?",
    ),
    curt=(
        "You could have looked this up yourself.",
        "This has been answered a thousand times.",
        "Fine. The short version it is, since nobody reads the long one.",
        "I do not see why one would ask that, but here you go.",
        "Obviously this is basic knowledge.",
    ),
)
