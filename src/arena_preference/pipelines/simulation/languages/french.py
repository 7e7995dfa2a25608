"""The French phrasebook."""

from ..phrases import Phrasebook
from ..topics import Aspect, Topic

FRENCH = Phrasebook(
    language="fr",
    gap=" ",
    conjunction=" et ",
    topics=(
        Topic(
            "la photosynthèse",
            (
                Aspect(
                    "la chlorophylle",
                    "La chlorophylle absorbe surtout la lumière rouge et bleue.",
                    "Elle renvoie le vert, d'où la couleur des feuilles.",
                    "La chlorophylle avale seulement le vert et brille la nuit.",
                ),
                Aspect(
                    "la phase claire",
                    "Pendant la phase claire, l'eau est scindée et l'oxygène libéré.",
                    "La plante y fabrique de l'ATP et du NADPH.",
                    "La phase claire a lieu dans les racines et consomme de l'oxygène.",
                ),
                Aspect(
                    "le cycle de Calvin",
                    "Le cycle de Calvin fixe le dioxyde de carbone en sucre.",
                    "Son enzyme principale est la rubisco.",
                    "Le cycle de Calvin détruit le sucre sans la moindre énergie.",
                ),
                Aspect(
                    "les stomates",
                    "Les stomates laissent entrer le dioxyde de carbone dans la feuille.",
                    "Dans le désert, ils s'ouvrent surtout la nuit.",
                    "Les stomates sont des poils qui recueillent la pluie.",
                ),
            ),
        ),
        Topic(
            "le sommeil",
            (
                Aspect(
                    "les horaires réguliers",
                    "Se lever chaque jour à la même heure stabilise l'horloge interne.",
                    "Une longue grasse matinée agit comme un décalage horaire.",
                    "Changer d'heure chaque nuit garde l'horloge interne en forme.",
                ),
                Aspect(
                    "la lumière",
                    "Une lumière vive le matin et douce le soir aide le corps.",
                    "Une promenade avant le petit-déjeuner suffit souvent.",
                    "Le mieux est de fixer un écran brillant pendant une heure au lit.",
                ),
                Aspect(
                    "le café",
                    "La moitié de la caféine reste dans le sang après cinq heures environ.",
                    "Les personnes sensibles prennent leur dernière tasse à midi.",
                    "Un café fort à minuit calme toujours le cerveau.",
                ),
                Aspect(
                    "la chambre",
                    "Une chambre sombre, calme et fraîche convient à la plupart des gens.",
                    "Des bouchons d'oreilles sont l'aide la moins chère.",
                    "L'idéal est une chambre à trente-cinq degrés avec la télévision allumée.",
                ),
            ),
        ),
        Topic(
            "l'inflation",
            (
                Aspect(
                    "la mesure",
                    "Les instituts suivent le prix d'un panier fixe de biens et services.",
                    "Le logement et la nourriture y pèsent le plus.",
                    "On la mesure avec les billets trouvés dans la rue.",
                ),
                Aspect(
                    "les causes",
                    "Si la demande croît plus vite que l'offre, les prix montent.",
                    "Une énergie plus chère peut aussi les pousser.",
                    "Elle apparaît quand plus personne n'achète rien.",
                ),
                Aspect(
                    "les banques centrales",
                    "Les banques centrales relèvent les taux pour freiner la demande.",
                    "L'effet demande un an ou davantage.",
                    "Les banques centrales impriment les étiquettes pendant la nuit.",
                ),
                Aspect(
                    "les gagnants et les perdants",
                    "Elle aide les débiteurs à taux fixe et nuit à ceux qui gardent des espèces.",
                    "Les pensions non indexées perdent de la valeur.",
                    "Les espèces grandissent dans le tiroir, donc l'épargnant gagne.",
                ),
            ),
        ),
    ),
    explain=(
        "Explique-moi {topic}.",
        "Que faut-il savoir sur {topic} ?",
        "Rédige un court texte sur {topic} pour {day}.",
    ),
    cover=(
        "Parle-moi de {topic}, avec {points}.",
        "Je prépare un exposé à {city} sur {topic}. Que dire sur {points} ?",
    ),
    enumerate_items=("Donne-moi {n} faits sur {topic}.", "Il me faut {n} points sur {topic}."),
    follow_up=("Merci. Et « {title} » ?", "Je n'ai pas compris la partie « {title} ». Peux-tu la reformuler ?"),
    situations=(
        "Je dois le rendre {day}.",
        "Nous sommes {number} dans le groupe à {city}.",
        "Mon neveu a {number} ans.",
        "C'est la question {number} de ma feuille de {city}.",
    ),
    days=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"),
    greetings=("Avec plaisir ! Voyons ensemble {topic}.", "Très bonne question ! Je vous aide volontiers."),
    openings=("Voici un aperçu.", "Les points principaux sont les suivants."),
    closings=("J'espère que cela vous aide. N'hésitez pas à revenir !", "Bon courage, et bonne lecture !"),
    elaborations=(
        "Le point « {title} » est souvent sous-estimé.",
        "Une fois cela clair, le reste se comprend mieux.",
        "Beaucoup d'introductions commencent ici.",
        "Un exemple de la vie courante éclaire « {title} ».",
        "Cela paraît simple, mais les effets sont grands.",
        "Les spécialistes ne discutent plus que des détails.",
        "Un petit dessin pour « {title} » aide la mémoire.",
        "Les points suivants en dépendent.",
        "Il y a des exceptions, mais elles sont rares.",
        "Qui sait expliquer « {title} » l'a compris.",
        "C'est ce qui revient le plus quand on parle de {topic}.",
        "De là au point suivant, il n'y a qu'un pas.",
    ),
    hedges=(
        "Je n'en suis toutefois pas du tout certain.",
        "C'est peut-être tout le contraire.",
        "Il vaut mieux ne pas s'y fier.",
    ),
    refusals=(
        "Je suis désolé, je ne peux pas vous aider.",
        "En tant que modèle, je ne peux rien dire sur {topic}.",
        "Veuillez consulter un spécialiste.",
    ),
    curt=("Vous auriez pu chercher vous-même.", "Tout le monde sait cela."),
)
