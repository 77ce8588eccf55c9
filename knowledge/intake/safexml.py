"""XML of files that came from outside: no entities, no document types, nothing fetched."""

from lxml import etree

from knowledge.intake.model import IntakeError, Limits, Refusal

_NO_MEMORY = 2


def parse(raw: bytes, name: str, limits: Limits) -> etree._Element:
    """Return the root of an XML part.

    Args:
        name: what errors call the file.
    Raises:
        IntakeError: it is no XML, declares a document type, or is too deep, too long or too large in memory.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise to_refusal(error, name, limits) from error
    except ValueError as error:
        raise IntakeError(name, Refusal.BROKEN) from error
    if root.getroottree().docinfo.internalDTD is not None:
        # Neither Word nor LibreOffice writes one; what it can do is expand without end or name other files.
        raise IntakeError(name, Refusal.BROKEN, {"problem": "document type"})
    return root


def to_refusal(error: etree.XMLSyntaxError, name: str, limits: Limits) -> IntakeError:
    """Return why a part cannot be read, as an error of ours."""
    if error.code == _NO_MEMORY:
        return IntakeError(name, Refusal.TOO_MUCH_MEMORY)
    if "too long" in str(error):
        return IntakeError(name, Refusal.TOO_LONG, {"allowed": str(limits.characters)})
    return IntakeError(name, Refusal.BROKEN)
