"""The closed lists of words that an answer in another language is checked against.

A word has every form that fits: both genders, and both words where two are usual. A word that is
the same as in English is left out, since it would not tell the languages apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final = ("German", "French", "Spanish")

# English: German; French; Spanish. Forms of one word are parted by slashes.
_PETS: Final = """
dog: Hund/Hündin; chien/chienne; perro/perra
cat: Katze/Kater; chat/chatte; gato/gata
cow: Kuh; vache; vaca
hen: Huhn/Henne; poule; gallina
pig: Schwein; cochon/porc; cerdo/puerco/cochino/chancho
goat: Ziege; chèvre; cabra
duck: Ente; canard/cane; pato/pata
frog: Frosch; grenouille; rana
bird: Vogel; oiseau; pájaro/ave
horse: Pferd; cheval; caballo
mouse: Maus; souris; ratón
sheep: Schaf; mouton/brebis; oveja
"""
_COLOURS: Final = """
red: rot; rouge; rojo/roja
blue: blau; bleu/bleue; azul
green: grün; vert/verte; verde
white: weiß; blanc/blanche; blanco/blanca
black: schwarz; noir/noire; negro/negra
brown: braun; brun/brune/marron; marrón/café/castaño
gray: grau; gris/grise; gris
yellow: gelb; jaune; amarillo/amarilla
"""
_JOBS: Final = """
baker: Bäcker/Bäckerin; boulanger/boulangère; panadero/panadera
cook: Koch/Köchin; cuisinier/cuisinière; cocinero/cocinera
farmer: Bauer/Bäuerin/Landwirt/Landwirtin; fermier/fermière/agriculteur/agricultrice; \
agricultor/agricultora/granjero/granjera/campesino/campesina
judge: Richter/Richterin; juge; juez/jueza
tailor: Schneider/Schneiderin; tailleur/couturier/couturière; sastre/sastra
teacher: Lehrer/Lehrerin; professeur/professeure/enseignant/enseignante; \
maestro/maestra/profesor/profesora
singer: Sänger/Sängerin; chanteur/chanteuse; cantante
waiter: Kellner/Kellnerin; serveur/serveuse; camarero/camarera/mesero/mesera/mozo/moza
"""


def _listed(text: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    lines = [line.split(": ") for line in text.strip().splitlines()]
    return {
        word: tuple(tuple(one.split("/")) for one in forms.split("; ")) for word, forms in lines
    }


WORDS: Final[Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]]] = {
    "pet": _listed(_PETS),
    "color": _listed(_COLOURS),
    "job": _listed(_JOBS),
}


def forms(field: str, word: str, language: str) -> tuple[str, ...]:
    """Return what `word` may be called in `language`; the first is the plainest."""
    return WORDS[field][word][LANGUAGES.index(language)]
