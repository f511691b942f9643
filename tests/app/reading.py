"""Reads pages the way a person does: by what they say, not by their markup."""

from bs4 import BeautifulSoup, Tag
from fastapi.testclient import TestClient


def soup_of(client: TestClient, path: str, *, status: int = 200) -> BeautifulSoup:
    """A page, parsed, after checking its status."""
    response = client.get(path)
    assert response.status_code == status, response.text[:2000]
    return BeautifulSoup(response.text, "html.parser")


def one(soup: BeautifulSoup | Tag, selector: str) -> Tag:
    """The one element of a selector."""
    found = soup.select(selector)
    assert len(found) == 1, f"{selector} is there {len(found)} times"
    return found[0]


def text_of(element: BeautifulSoup | Tag) -> str:
    """Its text with runs of space made one."""
    return " ".join(element.get_text(" ").split())


def links_of(soup: BeautifulSoup | Tag) -> list[str]:
    """Every address it links to."""
    return [str(link["href"]) for link in soup.select("a[href]")]
