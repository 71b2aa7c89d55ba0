"""Elements of XML by their local names, whatever prefix a sender gives the namespace."""

from xml.etree.ElementTree import Element


def local_name(element: Element) -> str:
    """An element's name without its namespace; empty of a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def text_at(element: Element, path: str) -> str:
    """Text of a descendant by local names, parted by `/`; empty where there is none."""
    found: Element | None = element
    for name in path.split("/"):
        found = next((child for child in found if local_name(child) == name), None) if found is not None else None
    return (found.text or "").strip() if found is not None else ""
