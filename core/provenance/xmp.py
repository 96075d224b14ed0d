"""The mark that every picture file carries for whoever reads metadata: XMP that says that a model made it.

It knows the words, not how a kind of file keeps them.
"""

from xml.sax.saxutils import quoteattr

PNG_KEY = "XML:com.adobe.xmp"
"""Where PNG keeps XMP (XMP specification part 3, section 1.1.5)."""

TRAINED_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""What a model made, in IPTC's words (Digital Source Type NewsCodes)."""

_CREATED_BY_A_MODEL = f'Iptc4xmpExt:DigitalSourceType="{TRAINED_MEDIA}"'

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    " {properties}/>"
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)

MADE_BY_A_MODEL = _PACKET.format(properties=_CREATED_BY_A_MODEL)
"""An XMP packet (IPTC Photo Metadata Standard, Digital Source Type)."""


def made_by(model: str, software: str) -> str:
    """The same packet, which also names the model (IPTC's AI System Used, 2025.1) and the program (XMP's CreatorTool).

    What XML cannot hold is left out of their names.
    """
    tool = f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool={_quoted(software)}'
    return _PACKET.format(properties=f"{_CREATED_BY_A_MODEL} Iptc4xmpExt:AISystemUsed={_quoted(model)} {tool}")


def _quoted(text: str) -> str:
    """As an attribute's value."""
    return quoteattr("".join(letter for letter in text if letter.isprintable()))
