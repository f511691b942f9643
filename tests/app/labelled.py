"""What the tests of labels share: the feature they label, and forms as a browser without JavaScript sends them."""

from bs4 import BeautifulSoup, Tag
from fastapi.testclient import TestClient
from httpx import Response

from tests.app.reading import soup_of, text_of

FEATURE = "/d/tiny-mid/0"
API = "/api/v1/dictionaries/tiny-mid/features/0/labels"


def send(client: TestClient, form: Tag, *, press: str = "", **typed: str) -> Response:
    """Send a form: what its fields hold, the button that is pressed, and what is typed instead."""
    values = {str(field["name"]): str(field.get("value", "")) for field in form.select("input[name]")}
    values |= {str(area["name"]): area.get_text() for area in form.select("textarea[name]")}
    buttons = [button for button in form.select("button") if press in text_of(button)]
    if buttons and buttons[0].get("name"):
        values[str(buttons[0]["name"])] = str(buttons[0]["value"])
    return client.post(str(form["action"]), data={**values, **typed})


def labels(client: TestClient) -> list[Tag]:
    """The labels on the feature's page."""
    return soup_of(client, FEATURE).select("#labels article.label")


def form_of(element: Tag | BeautifulSoup, words: str) -> Tag:
    """The form with a button that says so."""
    forms = element.select("form")
    return next(form for form in forms if any(words in text_of(each) for each in form.select("button")))


def propose(client: TestClient, text: str, **typed: str) -> Response:
    """Propose a label from the feature's page."""
    return send(client, form_of(soup_of(client, FEATURE), "Propose"), text=text, **typed)


def soup(answer: Response) -> BeautifulSoup:
    """An answer, parsed."""
    return BeautifulSoup(answer.text, "html.parser")
