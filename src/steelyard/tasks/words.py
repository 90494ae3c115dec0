"""The words that items are written with: names, things, places, kinds.

Each list starts with its plainest words. Level 1 draws from the first ones (`SHIPPED`), which a
very small model can own, in some families with a few more; harder levels draw from all. Every word
is one run of letters, nouns take a regular plural. Not aware of any family.
"""

from __future__ import annotations

from typing import Final

SHIPPED: Final = 48


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES: Final = _words("""
Anna Ben Cara Dan Emma Finn Gina Hugo Iris Jack Kate Leo Mia Noah Olga Paul Quinn Rosa Sam Tina
Uma Vera Will Yara Zoe Adam Beth Carl Dora Eric Fay Greg Hana Ivan Jane Karl Lucy Max Nina Oscar
Pia Ralf Sara Tom Ursa Vince Wendy Xenia Aaron Abby Ada Agnes Aida Alan Albert Alec Alice Alma
Amara Amos Amy Andre Angus Anton April Archie Arlo Arthur Asha Astrid Aubrey Axel Bella Bert Bess
Bianca Blake Boris Brad Brenda Brian Bruno Bryn Caleb Calvin Camila Carla Cecil Cedric Celia Chad
Chloe Chris Clara Clive Cody Colin Conor Cora Craig Cyrus Daisy Dale Daphne Darcy David Dean Delia
Denis Derek Diana Diego Dirk Donna Doris Doug Drew Dylan Earl Eddie Edgar Edith Effie Elena Elias
Elise Ella Elmer Elsa Elton Emil Enid Enzo Erin Esme Ethan Eva Evan Ezra Faith Felix Fern Fiona
Flora Floyd Frances Frank Freya Fritz Gail Gary Gemma Gene George Gerda Gilda Glen Gloria Gordon
Grace Grant Greta Guido Gus Gwen Hal Hank Hannah Harriet Harry Hazel Heidi Helen Henry Herman Hilda
Holly Homer Hope Howard Ida Igor Ines Inga Ira Irene Isaac Isla Ivy Jacob Jade James Jasper Jean
Jenny Jesse Jill Joan Joel Jonas Josie Joy Juan Judy Jules Julia June Kai Kara Karen Keith Kelly
Ken Kevin Kim Kira Kurt Kyle Lana Lara Lars Laura Leah Lena Leon Lewis Lila Lily Linda Lisa Lloyd
Logan Lola Loren Louis Luca Luke Luna Lydia Mabel Maggie Malik Mara Marco Maria Mark Marta Martin
Mary Maud Maya Megan Mira Molly Mona Morris Nadia Nancy Naomi Nate Neil Nell Nico Nigel Nora Norman
Olive Oliver Omar Opal Otis Otto Owen Pablo Pam Pat Patty Pearl Pedro Penny Perry Petra Phil Polly
Priya Rachel Raj Ramon Ray Reed Rene Rex Rhoda Rita Rob Robin Roger Roland Ron Rory Ross Roy Ruby
Rufus Ruth Ryan Sally Sasha Scott Sean Selma Seth Sheila Sid Silas Simon Sofia Sonia Stan Stella
Steve Sue Susan Sven Sybil Tanya Tara Ted Terry Tess Theo Thora Tilda Tim Toby Todd Tony Tracy
Troy Tyler Ulla Vada Val Victor Viola Vivian Wade Walt Wanda Warren Wayne Wilma Yasmin Yusuf Zane
Zara Zelda Zora
""")

OBJECTS: Final = _words("""
apple ball book bike card coin cup doll drum egg flag hat key kite lamp map nut pen plum ring rope
shell spoon stamp star stone toy tray vase fan bell boat bowl brick brush cake chair clock coat
cork crown fork jar jug leaf mug nail orange acorn album anchor apron arrow badge bagel banana
banner barrel basin basket bead bean belt bicycle bin biscuit blanket block blouse bolt bone
bonnet boot bottle bracelet branch broom bucket buckle bun button cabin cable camera candle cane
canoe cap carpet carrot cart castle chain chalk charm chart cherry chest chip cloak cloth coaster
collar comb compass cone cookie cord cradle crate crayon cushion dart desk diary dish drawer dress
easel engine eraser feather fiddle file filter flask flower flute folder fountain frame funnel
garland gem glove goblet grape guitar hammer hammock handle harp helmet hinge hook hoop horn ink
jacket jewel joystick kettle kilt label lace ladder lantern lemon lens lever lid lock locket
magnet marble mask mat medal melon mirror mitten model mop muffin necklace needle net notebook oar
onion oven paddle pail paint pan parcel peach peanut pear pebble pedal pencil pepper petal piano
picture pie pillow pin pipe piston plank plate plug pocket pot potato puzzle quill quilt rake
raisin ribbon riddle robe rocket roller rug ruler saddle sail sandal saucer saw scarf scroll seat
seed shawl sheet shield shirt shoe shovel sign skate skirt sled slipper soap sock sofa spade spear
sponge stool stove straw string sword table tablet tack tape target teapot tent ticket tie tile
timer tomato torch towel trophy truck trumpet tub tulip umbrella vest violin wagon wallet wand
watch wheel whistle wig window wreath yacht zipper
""")

PLACES: Final = _words("""
attic bank barn cafe camp cellar church court farm field forest garage garden hall harbor hotel
house kitchen lab lake library market mill museum office park pool port school shed shop stable
station studio tower yard airport arena bakery balcony bath beach bridge canyon cave chapel cinema
clinic alley aquarium arcade avenue base bay cabin canal castle cliff club coast college corner
cottage courtyard crossing dairy depot desert diner dock factory ferry forge fort fountain gallery
gate glen grove gym hangar harvest hill hospital hut inn island jail jungle junction kiosk lagoon
laundry lighthouse lobby lodge loft mall manor marina marsh meadow mine monastery motel mountain
nursery oasis observatory orchard palace parlor pasture pavilion peak pier plant plaza pond porch
prison pub quarry ranch resort river rooftop ruin shelter shrine square stadium street
summit temple terminal terrace theater tunnel university valley vault villa village vineyard
warehouse waterfall well wharf windmill workshop zoo
""")

COLOURS: Final = _words("""
red blue green white black brown pink gray gold purple yellow silver amber beige copper crimson
cyan indigo ivory jade lilac lime maroon mauve navy ochre olive peach plum rose ruby rust scarlet
tan teal violet
""")

ANIMALS: Final = _words("""
cat dog cow hen pig goat duck frog bird horse mouse sheep bear wolf lion tiger fox owl crow deer
ant ape badger bat bee bison boar camel cheetah cobra coyote crab crane cricket dolphin donkey
dove eagle eel elk falcon ferret finch gecko gerbil gibbon giraffe goose gorilla gull hamster hare
hawk hedgehog heron hippo hyena ibis jackal jaguar kangaroo koala lark lemur leopard lizard llama
lobster lynx magpie mole monkey moose moth mule newt ocelot octopus otter oyster panda panther
parrot pelican penguin pigeon pony puma python quail rabbit raccoon ram rat raven rhino robin
salmon seal shark shrew skunk sloth slug snail snake sparrow spider squid squirrel stork swan toad
trout turkey turtle viper vole walrus wasp weasel whale wombat yak zebra
""")

CITIES: Final = _words("""
Paris Rome Oslo Lima Cairo Tokyo Delhi Bern Kiev Riga Prague Milan Dublin Seoul Boston Vienna
Athens Berlin Lisbon London Madrid Moscow Sofia Warsaw Accra Amman Ankara Baku Bangkok Beirut Bogota
Bonn Bruges Cork Dakar Denver Doha Florence Geneva Ghent Hanoi Havana Helsinki Jakarta Kabul Kyoto
Lagos Leeds Lyon Malaga Manila Miami Minsk Montreal Munich Nairobi Naples Nice Osaka Ottawa Perth
Porto Quito Rabat Seville Sydney Tallinn Tampa Tehran Tripoli Tunis Turin Utrecht Valencia Venice
Vilnius York Zagreb Zurich
""")

JOBS: Final = _words("""
baker cook doctor driver farmer guard judge nurse pilot poet priest sailor singer tailor teacher
waiter actor artist author banker barber butcher carpenter chemist clerk coach dancer dentist
designer diver editor engineer fisher gardener grocer hunter jeweler joiner lawyer librarian mason
mechanic miner model musician painter plumber porter potter printer ranger reporter scientist
sculptor soldier surgeon vet weaver welder writer
""")

TRAITS: Final = _words("""
kind calm brave quiet happy sad proud shy strong weak rich poor clever honest polite careful loud
gentle lazy busy hungry sleepy angry lucky clean dirty warm cold fast slow
""")

KINDS: Final = _words("""
wug dax fep zup lorn mib tove gorp blick rill snig yomp vorp quan jelk tarn plon drib skell frum
""")

VERBS: Final = _words("""
buy find get sell lose carry bring hold make take give send keep drop hide wash clean paint fix
lift push pull throw catch build break open close borrow lend return count sort wrap load unload
""")


def pool(words: tuple[str, ...], level: int, few: int = SHIPPED) -> tuple[str, ...]:
    """Return the words of a level: `few` to practise on, some more on the shipped one, or all."""
    return words[: (few, few * 17 // 16)[level]] if level <= 1 else words


def first(words: tuple[str, ...], level: int) -> tuple[str, ...]:
    """Return the words that `level` draws from: the plainest ones, or all."""
    return words[:SHIPPED] if level <= 1 else words


def plural(noun: str) -> str:
    """Return the plural of a noun of these lists."""
    if noun.endswith(("s", "x", "z", "ch", "sh")) or noun in {"potato", "tomato"}:
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun == "leaf":
        return "leaves"
    return noun + "s"


def counted(number: int, noun: str) -> str:
    """Return `1 cup`, `3 cups`."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def article(noun: str) -> str:
    """Return the noun with `a` or `an`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
