"""The letters of pictures: every glyph five dots wide and nine high, the last two below the line.

A glyph is written as nine rows, each a digit to base 32 whose five bits are its dots. Part of the
repository, because a system's font differs from machine to machine and from one version of a font
library to the next, and a picture must not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WIDTH: Final = 5
HEIGHT: Final = 9
ADVANCE: Final = WIDTH + 1  # dots from one letter to the next
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_ROWS: Final = """
A EHHVHHH  B UHHUHHU  C EHGGGHE  D UHHHHHU  E VGGUGGV  F VGGUGGG  G EHGNHHE  H HHHVHHH  I V44444V
J 72222IC  K HIKOKIH  L GGGGGGV  M HRLLHHH  N HHPLJHH  O EHHHHHE  P UHHUGGG  Q EHHHLID  R UHHUKIH
S FGGE11U  T V444444  U HHHHHHE  V HHHHHA4  W HHHLLLA  X HHA4AHH  Y HHHA444  Z V1248GV
a 00E1FHF  b GGMPHHU  c 00EGGHE  d 11DJHHF  e 00EHVGE  f 698S888  g 00FHHHF1E  h GGMPHHH  i 40C444E
j 2062222IC  k GGIKOKI  l C44444E  m 00QLLHH  n 00MPHHH  o 00EHHHE  p 00UHHHUGG  q 00FHHHF11
r 00MPGGG  s 00FGE1U  t 88S8896  u 00HHHJD  v 00HHHA4  w 00HHLLA  x 00HA4AH  y 00HHHHF1E
z 00V248V
0 EHJLPHE  1 4C4444E  2 EH1248V  3 V2421HE  4 26AIV22  5 VGU11HE  6 68GUHHE  7 V124888  8 EHHEHHE
9 EHHF12C
. 00000CC  , 00000CC48  : 0CC0CC0  - 000V000  / 12248G0  % OP248J3  ? EH12404  ( 2488842  ) 8422248
+ 044V440  = 00V0V00  # AAVAVAA
"""


def _table() -> Mapping[str, tuple[int, ...]]:
    words = _ROWS.split()
    drawn = zip(words[::2], words[1::2], strict=True)
    return {letter: tuple(map(_DIGITS.index, rows.ljust(HEIGHT, "0"))) for letter, rows in drawn}


# By letter: the rows from above, of which the highest of five bits is the dot on the left.
GLYPHS: Final = {**_table(), " ": (0,) * HEIGHT}


def width(text: str, scale: int) -> int:
    """Return how many pixels a line takes, each dot being `scale` wide."""
    return max(0, len(text) * ADVANCE - 1) * scale
