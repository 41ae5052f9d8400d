"""Script and family of the languages that public corpora have, for means over groups."""

from __future__ import annotations

# code, name, script, family. Families as in WALS; of Indo-European, the branch, because half of
# all corpora are Indo-European. A language that is written in several scripts has the one that its
# UD treebank is in.
_TABLE = """
af Afrikaans Latin Germanic
ar Arabic Arabic Afro-Asiatic
az Azerbaijani Latin Turkic
be Belarusian Cyrillic Slavic
bg Bulgarian Cyrillic Slavic
bn Bengali Bengali Indo-Aryan
ca Catalan Latin Romance
cs Czech Latin Slavic
cy Welsh Latin Celtic
da Danish Latin Germanic
de German Latin Germanic
el Greek Greek Hellenic
en English Latin Germanic
es Spanish Latin Romance
et Estonian Latin Uralic
eu Basque Latin Basque
fa Persian Arabic Iranian
fi Finnish Latin Uralic
fr French Latin Romance
ga Irish Latin Celtic
gl Galician Latin Romance
he Hebrew Hebrew Afro-Asiatic
hi Hindi Devanagari Indo-Aryan
hr Croatian Latin Slavic
hu Hungarian Latin Uralic
hy Armenian Armenian Armenian
id Indonesian Latin Austronesian
is Icelandic Latin Germanic
it Italian Latin Romance
ja Japanese Kana+Han Japanese
jv Javanese Latin Austronesian
ka Georgian Georgian Kartvelian
kk Kazakh Cyrillic Turkic
ko Korean Hangul Korean
la Latin Latin Romance
lt Lithuanian Latin Baltic
lv Latvian Latin Baltic
ml Malayalam Malayalam Dravidian
mr Marathi Devanagari Indo-Aryan
ms Malay Latin Austronesian
mt Maltese Latin Afro-Asiatic
my Burmese Burmese Sino-Tibetan
nb Norwegian Latin Germanic
nl Dutch Latin Germanic
nn Norwegian Latin Germanic
no Norwegian Latin Germanic
pl Polish Latin Slavic
pt Portuguese Latin Romance
qu Quechua Latin Quechuan
ro Romanian Latin Romance
ru Russian Cyrillic Slavic
si Sinhala Sinhala Indo-Aryan
sk Slovak Latin Slavic
sl Slovenian Latin Slavic
sq Albanian Latin Albanian
sr Serbian Latin Slavic
sv Swedish Latin Germanic
sw Swahili Latin Niger-Congo
ta Tamil Tamil Dravidian
te Telugu Telugu Dravidian
th Thai Thai Kra-Dai
tl Tagalog Latin Austronesian
tr Turkish Latin Turkic
ug Uyghur Arabic Turkic
uk Ukrainian Cyrillic Slavic
ur Urdu Arabic Indo-Aryan
vi Vietnamese Latin Austroasiatic
wo Wolof Latin Niger-Congo
yo Yoruba Latin Niger-Congo
zh Chinese Han Sino-Tibetan
"""

UNKNOWN = "other"
_ROWS = [line.split() for line in _TABLE.strip().splitlines()]
NAME = {code: name for code, name, _, _ in _ROWS}
SCRIPT = {code: script for code, _, script, _ in _ROWS}
FAMILY = {code: family for code, _, _, family in _ROWS}


def base(code: str) -> str:
    """Strip a region or script from a code: `zh-Hans`, `pt_br` and `sr_cyrl` are `zh`, `pt`, `sr`.

    code (str): A language code.
    RETURNS (str): Its first part, in lower case.
    """
    return code.replace("_", "-").partition("-")[0].lower()
