"""The mark that every picture file carries for whoever reads metadata: XMP that says that a model made it.

It knows the words, not how a kind of file keeps them.
"""

PNG_KEY = "XML:com.adobe.xmp"
"""Where PNG keeps XMP (XMP specification part 3, section 1.1.5)."""

TRAINED_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""What a model made, in IPTC's words (Digital Source Type NewsCodes)."""

MADE_BY_A_MODEL = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' Iptc4xmpExt:DigitalSourceType="{TRAINED_MEDIA}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
"""An XMP packet (IPTC Photo Metadata Standard, Digital Source Type)."""
