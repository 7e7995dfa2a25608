"""Word problems, whose points are the steps of the calculation, each with a wrong result as well."""

from .draws import Draws
from .topics import Aspect, Topic

_ELABORATIONS = (
    "Estimate first, and you will notice when a result is ten times too large.",
    "It is best to write this on a line of its own.",
    "The order matters here, since each step uses the one before.",
    "A pocket calculator gives the same, provided the numbers are typed correctly.",
    "With regard to {title}, many people mix up two of the operations.",
    "You can check it by doing the operation backwards.",
    "Round at the very end only.",
    "A sketch would make the relation between the numbers visible.",
    "Similar problems differ in the numbers, while the method stays.",
    "In an exam the working would earn points even without the result.",
    "Read the question again to see what {title} has to do with it.",
    "That leaves one thing less to compute.",
)


def draw_calculation(draws: Draws) -> tuple[str, Topic]:
    """Draw a word problem; its points are the steps of the calculation, each with a wrong result as well.

    Returns:
        The question and the topic whose aspects are the steps in order.
    """
    price, count, share = draws.integer(3, 90), draws.integer(4, 60), draws.integer(1, 12) * 5
    kind = draws.integer(0, 4)
    slip = draws.integer(1, 9) * (10 if draws.chance(0.5) else 1)
    total = price * count
    if kind == 0:
        cut = total * share / 100
        question = (
            f"A shop sells {count} lamps at {price} euros each and grants a discount of {share} percent. What is paid?"
        )
        steps = (
            (
                "the full price",
                f"{count} times {price} is {total}",
                f"{count} times {price} is {total + slip}",
                "euros",
            ),
            (
                "the discount",
                f"{share} percent of {total} is {cut:g}",
                f"{share} percent of {total} is {cut + slip:g}",
                "euros",
            ),
            (
                "the amount to pay",
                f"{total} minus {cut:g} is {total - cut:g}",
                f"{total} plus {share} is {total + share}",
                "euros",
            ),
        )
    elif kind == 1:
        distance = price * count
        question = (
            f"A train covers {distance} km at {price} km/h, and a second one needs {share} hours longer. "
            "How long do both take?"
        )
        steps = (
            (
                "the first train",
                f"{distance} divided by {price} is {count}",
                f"{distance} divided by {price} is {count + slip}",
                "hours",
            ),
            (
                "the second train",
                f"{count} plus {share} is {count + share}",
                f"{count} minus {share} is {count + share + slip}",
                "hours",
            ),
            (
                "both together",
                f"{count} plus {count + share} is {2 * count + share}",
                f"{count} times {share} is {count * share + slip}",
                "hours",
            ),
        )
    elif kind == 2:
        question = (
            f"A rectangle is {price} m long and {count} m wide. Find its perimeter, its area and the cost of a lawn at "
            f"{share} euros per square metre."
        )
        steps = (
            (
                "the perimeter",
                f"2 times {price + count} is {2 * (price + count)}",
                f"{price} plus {count} is {price + count + slip}",
                "metres",
            ),
            (
                "the area",
                f"{price} times {count} is {total}",
                f"{price} times {count} is {total - slip}",
                "square metres",
            ),
            (
                "the cost",
                f"{total} times {share} is {total * share}",
                f"{total} divided by {share} is {total + slip}",
                "euros",
            ),
        )
    elif kind == 3:
        question = f"Solve for x: {price}x + {count} = {price * share + count}. Show each step and check the result."
        steps = (
            (
                "isolating the term",
                f"subtracting {count} gives {price}x = {price * share}",
                f"adding {count} gives {price}x = {price * share + slip}",
                "on the right",
            ),
            (
                "dividing",
                f"dividing by {price} gives x = {share}",
                f"multiplying by {price} gives x = {share + slip}",
                "as the solution",
            ),
            (
                "the check",
                f"{price} times {share} plus {count} is {price * share + count}",
                f"{price} times {share + slip} plus {count} is {price * share + count}",
                "as required",
            ),
        )
    else:
        years = 2 + count % 3
        final = price * 100 * (1 + share / 100) ** years
        question = (
            f"I invest {price * 100} euros at {share} percent a year. What do I have after {years} years with compound "
            "interest?"
        )
        steps = (
            (
                "the factor",
                f"each year the sum is multiplied by {1 + share / 100:g}",
                f"each year {share} euros are taken away",
                "in this plan",
            ),
            (
                "the first year",
                f"after one year there are {price * (100 + share)}",
                f"after one year there are {price * 100 - share}",
                "euros",
            ),
            (
                "the final sum",
                f"after {years} years there are {final:.2f}",
                f"after {years} years there are {price * 100 - share * years}",
                "euros",
            ),
        )
    aspects = tuple(
        Aspect(
            title,
            f"{right[0].upper()}{right[1:]} {unit}.",
            "Writing the units down at every step guards against slips.",
            f"{wrong[0].upper()}{wrong[1:]} {unit}.",
        )
        for title, right, wrong, unit in steps
    )
    return question, Topic("this calculation", aspects, _ELABORATIONS)
