"""The Spanish phrasebook."""

from ..phrases import Phrasebook
from ..topics import Aspect, Topic

SPANISH = Phrasebook(
    language="es",
    gap=" ",
    conjunction=" y ",
    topics=(
        Topic(
            "la fotosíntesis",
            (
                Aspect(
                    "la clorofila",
                    "La clorofila absorbe sobre todo la luz roja y azul.",
                    "Refleja el verde, y por eso las hojas son verdes.",
                    "La clorofila traga solo luz verde y brilla de noche.",
                ),
                Aspect(
                    "la fase luminosa",
                    "En la fase luminosa se rompe el agua y se libera oxígeno.",
                    "Allí se forman ATP y NADPH.",
                    "La fase luminosa ocurre en las raíces y gasta oxígeno.",
                ),
                Aspect(
                    "el ciclo de Calvin",
                    "El ciclo de Calvin fija el dióxido de carbono en azúcar.",
                    "Su enzima principal es la rubisco.",
                    "El ciclo de Calvin destruye azúcar sin energía alguna.",
                ),
                Aspect(
                    "los estomas",
                    "Los estomas dejan entrar el dióxido de carbono en la hoja.",
                    "En el desierto se abren sobre todo de noche.",
                    "Los estomas son pelos que recogen la lluvia.",
                ),
            ),
        ),
        Topic(
            "el sueño",
            (
                Aspect(
                    "los horarios fijos",
                    "Levantarse siempre a la misma hora estabiliza el reloj interno.",
                    "Dormir mucho el domingo actúa como un cambio de huso horario.",
                    "Cambiar de hora cada noche mantiene joven el reloj interno.",
                ),
                Aspect(
                    "la luz",
                    "La luz intensa por la mañana y suave por la noche ayuda al cuerpo.",
                    "Un paseo antes del desayuno suele bastar.",
                    "Lo mejor es mirar una pantalla brillante una hora en la cama.",
                ),
                Aspect(
                    "el café",
                    "La mitad de la cafeína sigue en la sangre tras unas cinco horas.",
                    "Las personas sensibles toman la última taza a mediodía.",
                    "Un café fuerte a medianoche calma siempre el cerebro.",
                ),
                Aspect(
                    "el dormitorio",
                    "Un cuarto oscuro, tranquilo y fresco conviene a casi todos.",
                    "Los tapones para los oídos son la ayuda más barata.",
                    "Lo ideal son treinta y cinco grados y la televisión encendida.",
                ),
            ),
        ),
        Topic(
            "la inflación",
            (
                Aspect(
                    "la medición",
                    "Los institutos siguen el precio de una cesta fija de bienes.",
                    "La vivienda y la comida pesan más que el resto.",
                    "Se mide con los billetes que la gente pierde en la calle.",
                ),
                Aspect(
                    "las causas",
                    "Si la demanda crece más que la oferta, los precios suben.",
                    "También la energía cara puede empujarlos.",
                    "Aparece cuando nadie compra nada en ninguna parte.",
                ),
                Aspect(
                    "los bancos centrales",
                    "Los bancos centrales suben los tipos para frenar la demanda.",
                    "El efecto tarda un año o más.",
                    "Los bancos centrales imprimen las etiquetas durante la noche.",
                ),
                Aspect(
                    "quién gana y quién pierde",
                    "Ayuda a los deudores con tipo fijo y daña a quien guarda efectivo.",
                    "Las pensiones sin ajuste pierden valor.",
                    "El efectivo crece en el cajón, así que gana el ahorrador.",
                ),
            ),
        ),
    ),
    explain=(
        "Explícame {topic}.",
        "¿Qué hay que saber sobre {topic}?",
        "Escribe un texto breve sobre {topic} para el {day}.",
    ),
    cover=(
        "Háblame de {topic}, incluyendo {points}.",
        "Doy una charla en {city} sobre {topic}. ¿Qué digo de {points}?",
    ),
    enumerate_items=("Dame {n} datos sobre {topic}.", "Necesito {n} puntos sobre {topic}."),
    follow_up=("Gracias. ¿Y «{title}»?", "No entendí la parte «{title}». ¿Puedes decirla de otro modo?"),
    situations=(
        "Tengo que entregarlo el {day}.",
        "Somos {number} personas en el grupo de {city}.",
        "Mi sobrino tiene {number} años.",
        "Es la pregunta {number} de mi hoja de {city}.",
    ),
    days=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado"),
    greetings=("¡Con mucho gusto! Veamos juntos {topic}.", "¡Muy buena pregunta! Te ayudo encantado."),
    openings=("Este es un resumen.", "Los puntos principales son estos."),
    closings=("Espero que te sirva. ¡Pregunta lo que quieras!", "¡Mucha suerte y vuelve cuando quieras!"),
    elaborations=(
        "El punto «{title}» se suele subestimar.",
        "Con esto claro, el resto se entiende mejor.",
        "Muchas introducciones empiezan aquí.",
        "Un ejemplo cotidiano aclara «{title}».",
        "Parece simple, pero sus efectos son grandes.",
        "Los expertos ya solo discuten los detalles.",
        "Un dibujo de «{title}» ayuda a recordar.",
        "Los puntos siguientes dependen de esto.",
        "Hay excepciones, aunque son raras.",
        "Quien sabe explicar «{title}» lo ha entendido.",
        "Es lo que más aparece al hablar de {topic}.",
        "De aquí al punto siguiente hay un paso.",
    ),
    hedges=("Sin embargo, no estoy nada seguro de ello.", "Quizá sea justo lo contrario.", "Mejor no te fíes de esto."),
    refusals=(
        "Lo siento, no puedo ayudarte con eso.",
        "Como modelo de lenguaje no puedo hablar de {topic}.",
        "Consulta a un especialista, por favor.",
    ),
    curt=("Eso lo podrías haber buscado tú.", "Eso lo sabe cualquiera."),
)
