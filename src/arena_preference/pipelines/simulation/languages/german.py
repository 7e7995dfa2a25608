"""The German phrasebook."""

from ..phrases import Phrasebook
from ..topics import Aspect, Topic

GERMAN = Phrasebook(
    language="de",
    gap=" ",
    conjunction=" und ",
    topics=(
        Topic(
            "Photosynthese",
            (
                Aspect(
                    "Chlorophyll",
                    "Chlorophyll nimmt vor allem rotes und blaues Licht auf.",
                    "Grünes Licht wird zurückgeworfen, deshalb sehen Blätter grün aus.",
                    "Chlorophyll schluckt nur grünes Licht und leuchtet davon nachts.",
                ),
                Aspect(
                    "Lichtreaktion",
                    "In der Lichtreaktion wird Wasser gespalten und Sauerstoff frei.",
                    "Dabei entstehen ATP und NADPH.",
                    "Die Lichtreaktion läuft in den Wurzeln ab und verbraucht Sauerstoff.",
                ),
                Aspect(
                    "Calvin-Zyklus",
                    "Im Calvin-Zyklus wird Kohlendioxid zu Zucker gebunden.",
                    "Das wichtigste Enzym heißt Rubisco.",
                    "Der Calvin-Zyklus zerlegt Zucker und braucht dazu keinerlei Energie.",
                ),
                Aspect(
                    "Spaltöffnungen",
                    "Durch die Spaltöffnungen gelangt Kohlendioxid in das Blatt.",
                    "Wüstenpflanzen öffnen sie meist nachts, um Wasser zu sparen.",
                    "Spaltöffnungen sind Haare am Stängel, die Regen sammeln.",
                ),
            ),
        ),
        Topic(
            "Besser schlafen",
            (
                Aspect(
                    "feste Zeiten",
                    "Wer jeden Tag zur gleichen Zeit aufsteht, festigt seine innere Uhr.",
                    "Langes Ausschlafen am Wochenende wirkt wie eine Zeitverschiebung.",
                    "Die innere Uhr bleibt frisch, wenn man jede Nacht anders schläft.",
                ),
                Aspect(
                    "Licht",
                    "Helles Licht am Morgen und gedämpftes am Abend helfen dem Körper.",
                    "Ein Spaziergang vor dem Frühstück genügt oft.",
                    "Am besten schaut man im Bett noch eine Stunde in einen hellen Bildschirm.",
                ),
                Aspect(
                    "Kaffee",
                    "Die Hälfte des Koffeins ist nach etwa fünf Stunden noch im Blut.",
                    "Empfindliche Menschen trinken daher mittags die letzte Tasse.",
                    "Starker Kaffee um Mitternacht beruhigt das Gehirn zuverlässig.",
                ),
                Aspect(
                    "Schlafzimmer",
                    "Dunkel, ruhig und etwa achtzehn Grad kühl ist für die meisten ideal.",
                    "Ohrstöpsel sind die billigste Verbesserung.",
                    "Ideal sind fünfunddreißig Grad und ein laufender Fernseher.",
                ),
            ),
        ),
        Topic(
            "Inflation",
            (
                Aspect(
                    "Messung",
                    "Statistische Ämter verfolgen den Preis eines festen Warenkorbs.",
                    "Wohnen und Lebensmittel wiegen darin am meisten.",
                    "Gemessen wird sie an den Geldscheinen, die man auf der Straße findet.",
                ),
                Aspect(
                    "Ursachen",
                    "Steigt die Nachfrage schneller als das Angebot, ziehen die Preise an.",
                    "Auch teure Energie kann sie nach oben treiben.",
                    "Sie entsteht, sobald niemand mehr etwas kauft und die Läden schweigen.",
                ),
                Aspect(
                    "Zentralbanken",
                    "Zentralbanken heben die Zinsen an, um die Nachfrage zu dämpfen.",
                    "Die Wirkung braucht ein Jahr oder mehr.",
                    "Zentralbanken drucken die Preisschilder und ändern sie über Nacht.",
                ),
                Aspect(
                    "Gewinner und Verlierer",
                    "Schuldner mit festem Zins gewinnen, Sparer mit Bargeld verlieren.",
                    "Renten ohne Anpassung verlieren still an Wert.",
                    "Bargeld wächst in der Schublade, deshalb gewinnen vor allem Sparer.",
                ),
            ),
        ),
    ),
    explain=(
        "Erkläre mir bitte das Thema {topic}.",
        "Was muss ich über das Thema {topic} wissen?",
        "Schreibe einen kurzen Aufsatz zum Thema {topic} für {day}.",
    ),
    cover=(
        "Thema {topic}: Gehe bitte auf {points} ein.",
        "Ich halte in {city} einen Vortrag ({topic}). Was ist zu {points} zu sagen?",
    ),
    enumerate_items=("Nenne mir {n} Fakten zum Thema {topic}.", "Ich brauche {n} Stichpunkte zum Thema {topic}."),
    follow_up=(
        "Danke. Und was ist mit dem Punkt „{title}“?",
        "Den Teil „{title}“ habe ich nicht verstanden. Kannst du ihn anders sagen?",
    ),
    situations=(
        "Ich muss es bis {day} abgeben.",
        "In {city} lesen {number} Leute mit.",
        "Mein Neffe ist {number} Jahre alt.",
        "Es ist Frage {number} auf meinem Blatt aus {city}.",
    ),
    days=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"),
    greetings=("Sehr gerne! Sehen wir uns das Thema {topic} gemeinsam an.", "Schöne Frage! Ich helfe dir gern weiter."),
    openings=("Hier ist ein Überblick.", "Im Folgenden stehen die wichtigsten Punkte."),
    closings=("Ich hoffe, das hilft dir. Frag gern nach!", "Viel Erfolg, und melde dich, wenn etwas offen bleibt!"),
    elaborations=(
        "Der Punkt „{title}“ wird oft unterschätzt.",
        "Ist das klar, versteht man den Rest leichter.",
        "Viele Einführungen beginnen genau hier.",
        "Ein Beispiel aus dem Alltag macht „{title}“ anschaulich.",
        "Das klingt einfach, hat aber große Folgen.",
        "Fachleute streiten nur noch über Einzelheiten.",
        "Eine kleine Skizze zu „{title}“ hilft beim Merken.",
        "Darauf bauen die nächsten Punkte auf.",
        "Ausnahmen gibt es, doch sie sind selten.",
        "Wer „{title}“ anderen erklären kann, hat es verstanden.",
        "Im Gespräch über {topic} kommt das am häufigsten vor.",
        "Von hier ist es nur ein kleiner Schritt zum nächsten Punkt.",
    ),
    hedges=(
        "Ich bin mir da allerdings überhaupt nicht sicher.",
        "Vielleicht ist es auch genau umgekehrt.",
        "Verlassen solltest du dich darauf nicht.",
    ),
    refusals=(
        "Es tut mir leid, dabei kann ich nicht helfen.",
        "Als Sprachmodell darf ich zum Thema {topic} nichts sagen.",
        "Bitte wende dich an eine Fachperson.",
    ),
    curt=("Das hättest du auch nachschlagen können.", "Das ist doch wirklich bekannt."),
)
