"""People label from the pages, with forms that need no JavaScript."""

from fastapi import FastAPI

from tests.app.labelled import API, FEATURE, form_of, labels, propose, send, soup
from tests.app.people import client_of
from tests.app.reading import links_of, one, soup_of, text_of

HOSTILE = "<script>alert(1)</script> \u202etxt.exe\u0000 <img src=x onerror=alert(2)>"


def test_a_label_is_proposed_and_titles_the_feature_and_its_line_in_the_list(labelling_app: FastAPI):
    kim = client_of(labelling_app, "kim")
    assert "Nobody has said yet" in text_of(one(soup_of(kim, FEATURE), "#labels"))
    answer = propose(kim, "  the word  cats ", note="one\ntwo", tags="Animal, pet", confidence="80 %")
    assert answer.history[0].status_code == 303
    assert str(answer.url).startswith(f"http://127.0.0.1{FEATURE}#label-")
    [label] = labels(kim)
    assert text_of(one(label, ".label__text")) == "the word cats"
    said = text_of(label)
    assert all(part in said for part in ("accepted", "kim", "80 % sure", "animal", "pet", "one", "two"))
    assert text_of(one(soup_of(kim, FEATURE), "h1")) == "the word cats 0"
    assert "the word cats" in text_of(one(soup_of(kim, "/d/tiny-mid?sort=index"), "#feature-list"))
    assert "No feature fits" not in text_of(soup_of(kim, "/d/tiny-mid?labelled=yes"))
    feature = kim.get("/api/v1/dictionaries/tiny-mid/features/0").json()
    assert feature["labels"][0]["text"] == "the word cats"
    assert feature["labels"][0]["harvest"] == feature["provenance"]["harvest"]["id"]


def test_votes_are_pressed_and_taken_back(labelling_app: FastAPI):
    kim, ada = client_of(labelling_app, "kim"), client_of(labelling_app, "ada")
    propose(kim, "cats")
    for press, net, pressed in (("Vote for it", "+1", 1), ("Vote against it", "−1", 1), ("Vote against it", "0", 0)):
        send(ada, form_of(labels(ada)[0], press), press=press)
        [label] = labels(ada)
        assert text_of(one(label, ".votes__net")).startswith(net)
        assert len(label.select('[aria-pressed="true"]')) == pressed
    send(ada, form_of(labels(ada)[0], "Vote for it"), press="Vote for it")
    assert not labels(kim)[0].select('[aria-pressed="true"]')


def test_the_second_writer_sees_both_texts_and_brings_them_together(labelling_app: FastAPI):
    kim, ada = client_of(labelling_app, "kim"), client_of(labelling_app, "ada")
    propose(kim, "cats in stories", note="seen twice")
    edit = next(link for link in links_of(labels(kim)[0]) if link.endswith("/edit"))
    mine, theirs = (form_of(soup_of(client, edit), "Save") for client in (kim, ada))
    assert send(ada, theirs, text="cats and dogs in stories").history[0].status_code == 303
    refused = send(kim, mine, text="black cats in stories", note="seen thrice")
    assert refused.status_code == 409
    merge = one(soup(refused), ".merge")
    assert "ada changed this label while you were writing" in text_of(merge)
    theirs, yours = merge.select(".merge__side")
    assert [text_of(each) for each in theirs.select("ins")] == ["and dogs"]
    assert [text_of(each) for each in yours.select("ins")] == ["black", "thrice"]
    assert [text_of(each) for each in yours.select("del")] == ["twice"]
    form = form_of(soup(refused), "Save")
    assert one(form, "input[name=text]")["value"] == "black cats in stories"
    assert one(form, "textarea").get_text() == "seen thrice"
    both = send(kim, form, text="black cats and dogs in stories")
    assert both.history[0].status_code == 303
    assert text_of(one(labels(kim)[0], ".label__text")) == "black cats and dogs in stories"


def test_the_history_tells_word_by_word_and_goes_back(labelling_app: FastAPI):
    kim, ada = client_of(labelling_app, "kim"), client_of(labelling_app, "ada")
    propose(kim, "the word cats")
    page = next(link for link in links_of(labels(kim)[0]) if link.startswith("/labels/"))
    send(ada, form_of(soup_of(ada, f"{page}/edit"), "Save"), text="the word dogs")
    entries = soup_of(kim, page).select(".history__entry")
    assert [text_of(entry.find("p")).split(" 20")[0] for entry in entries] == [
        "ada changed the wording",
        "kim proposed it",
    ]
    assert (text_of(one(entries[0], "del")), text_of(one(entries[0], "ins"))) == ("cats", "dogs")
    send(kim, form_of(entries[1], "Go back to version 1"))
    assert text_of(one(soup_of(kim, page), "h1")) == "the word cats"
    assert len(soup_of(kim, page).select(".history__entry")) == 3


def test_an_admin_hides_shows_and_chooses(labelling_app: FastAPI):
    kim, root = client_of(labelling_app, "kim"), client_of(labelling_app, "root", "admin")
    propose(kim, "rude words")
    propose(kim, "polite words")
    page = next(link for link in links_of(labels(kim)[0]) if link.startswith("/labels/"))
    assert not any("Hide" in text_of(button) for button in soup_of(kim, page).select("button"))
    send(root, soup_of(root, page).select_one("details form"), reason="unkind")
    assert [text_of(one(label, ".label__text")) for label in labels(kim)] == ["polite words"]
    assert len(labels(root)) == 2
    closed = text_of(soup_of(kim, page))
    assert "rude" not in closed and "root hid it" in closed and "unkind" in closed
    assert kim.get(f"/api/v1{page}").status_code == 404
    send(root, form_of(soup_of(root, page), "Show again"))
    send(root, form_of(labels(root)[1], "Choose"))
    assert "accepted, by an admin's choice" in text_of(labels(kim)[0])
    assert text_of(one(labels(kim)[0], ".label__text")) == "polite words"


def test_hostile_text_is_shown_as_text_and_too_much_comes_back_in_its_form(labelling_app: FastAPI):
    kim = client_of(labelling_app, "kim")
    propose(kim, HOSTILE, note=HOSTILE, tags="<b>,x")
    page = next(link for link in links_of(labels(kim)[0]) if link.startswith("/labels/"))
    for path in (FEATURE, page, f"{page}/edit", "/labels", "/labels?view=mine", "/d/tiny-mid?sort=index"):
        shown = soup_of(kim, path)
        assert not shown.select("main script, main img[src=x], main b > *")
        assert "\u202e" not in str(shown) and "\x00" not in str(shown)
    assert "<script>alert(1)</script> txt.exe <img" in text_of(one(labels(kim)[0], ".label__text"))
    refused = propose(kim, "y" * 10_000, note="kept")
    assert refused.status_code == 422
    assert "10,000 characters; a label may have 500 at most" in text_of(one(soup(refused), "#label-problem"))
    form = form_of(soup(refused), "Propose")
    assert one(form, "textarea").get_text() == "kept"
    send(kim, form, text="short enough")
    assert len(labels(kim)) == 2
    assert propose(kim, "fine", confidence="very").status_code == 422


def test_a_viewer_sees_labels_and_no_form(labelling_app: FastAPI):
    propose(client_of(labelling_app, "kim"), "cats")
    viewer = client_of(labelling_app, "vic", "viewer")
    assert len(labels(viewer)) == 1
    assert not one(soup_of(viewer, FEATURE), "#labels").select("button, input:not([type=hidden])")


def test_the_part_is_the_page_s_own_part(labelling_app: FastAPI):
    kim = client_of(labelling_app, "kim")
    propose(kim, "cats")
    harvest = one(soup_of(kim, FEATURE), "#labels input[name=harvest]")["value"]
    part = soup_of(kim, f"{FEATURE}/labels?harvest={harvest}")
    assert str(one(part, "#labels")) == str(one(soup_of(kim, FEATURE), "#labels"))
    assert kim.get("/d/tiny-mid/999/labels").status_code == kim.get("/d/nothing/0/labels").status_code == 404
    assert kim.get(f"/d/tiny-mid/{10**30}/labels").status_code == 404


def test_the_lists_show_what_there_is_and_say_when_there_is_nothing(labelling_app: FastAPI):
    kim, ada = client_of(labelling_app, "kim"), client_of(labelling_app, "ada")
    for view, words in (
        ("recent", "Nobody has labelled anything yet"),
        ("mine", "not proposed"),
        ("disputed", "Nothing is"),
    ):
        assert words in text_of(one(soup_of(kim, f"/labels?view={view}"), "#label-list"))
    propose(kim, "cats")
    propose(ada, "dogs")
    recent = [text_of(entry) for entry in soup_of(kim, "/labels").select(".entry")]
    assert [entry.split()[0] for entry in recent] == ["ada", "kim"]
    assert [text_of(entry.a) for entry in soup_of(kim, "/labels?view=mine").select(".entry")] == ["cats"]
    assert "cats" in text_of(one(soup_of(kim, "/labels?view=disputed"), ".entry"))
    unlabelled = soup_of(kim, "/labels?view=unlabelled&limit=2")
    assert f"{FEATURE}#labels" not in links_of(unlabelled)
    assert len(unlabelled.select(".entry")) == 2
    following = soup_of(kim, str(one(unlabelled, 'a[rel="next"]')["href"]))
    assert not {text_of(entry.a) for entry in unlabelled.select(".entry")} & {
        text_of(entry.a) for entry in following.select(".entry")
    }
    first = soup_of(kim, "/labels?limit=1")
    assert text_of(one(soup_of(kim, str(one(first, 'a[rel="next"]')["href"])), ".entry")).startswith("kim")
    assert "2 labels by 2 people" in text_of(one(first, "#coverage"))
    assert kim.get("/labels?after=x").status_code == 400
    assert kim.get("/labels?dictionary=nothing").status_code == 404


def test_the_masthead_leads_to_the_labels(labelling_app: FastAPI):
    assert "/labels" in links_of(one(soup_of(client_of(labelling_app, "kim"), "/"), ".masthead"))


def test_a_form_of_another_site_is_refused(labelling_app: FastAPI):
    kim = client_of(labelling_app, "kim")
    for path in (f"{FEATURE}/labels", API, "/labels/any/vote", "/labels/any/hide"):
        assert kim.post(path, data={"text": "x"}, headers={"origin": "http://evil.example"}).status_code == 403
    assert labels(kim) == []
