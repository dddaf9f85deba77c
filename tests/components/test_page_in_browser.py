"""The page as a person meets it: the real app, a real browser, the tiny models."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=30_000)


def home(page):
    """The first page, once it answers: a form that is drawn has been to the app and back."""
    page.goto("/")
    page.get_by_role("tab", name="Run").click()
    expect(page.locator("#fields .block").first).to_be_visible()
    page.get_by_role("tab", name="Explore").click()
    settle(page)


def settle(page):
    """Waits until the browser has nothing to do: a form that can be seen may not listen yet."""
    idle = "new Promise(done => requestIdleCallback(() => requestAnimationFrame(done)))"
    for _ in range(3):
        page.evaluate(idle)


def open_model(page, name):
    page.goto(f"/?model=local/{name}")
    expect(page.locator("#fields .block").first).to_be_visible()
    settle(page)
    return page.locator("#fields")


def run(page):
    page.locator("#run").click()


def status(page, state):
    line = page.locator(f"#status [data-state={state}]")
    expect(line).to_be_visible()
    return line


def prediction_id(page):
    expect(page).to_have_url(re.compile(r"\?prediction=\w+$"))
    return page.url.rpartition("=")[2]


def history(page):
    page.get_by_role("tab", name="History").click()
    rows = page.locator("#rows .row")
    expect(rows.first).to_be_visible()
    return rows


def test_an_empty_history_says_so_and_offers_one_button_that_runs_an_example(page):
    home(page)
    page.get_by_role("tab", name="History").click()
    expect(page.locator("#rows .placeholder")).to_contain_text("Nothing has run yet")
    page.locator("#run-example").click()
    expect(page.locator("#status [data-state]")).to_be_visible()
    assert prediction_id(page)


def test_the_page_opens_on_a_model_that_draws_when_run_is_pressed(page):
    page.goto("/")
    expect(page.locator("#model input")).to_have_value("starter / shapes")
    expect(page.get_by_label("prompt").first).to_have_value("a red circle on a blue background")
    settle(page)
    run(page)
    # Its code loads first, and a busy machine takes its time over that.
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible(timeout=100_000)
    expect(page.locator("#output img").first).to_be_visible()


def test_explore_shows_starters_first_and_says_that_they_are_ready_offline_toys(page):
    home(page)
    expect(page.locator("#cards section").first.locator("h2")).to_have_text("Starters")
    first = page.locator("#cards .card").first
    expect(first).to_have_attribute("data-model", "starter/shapes")
    expect(first.locator(".badge")).to_have_text(["ready", "offline", "toy"])
    expect(first.locator(".cover img")).to_have_js_property("naturalWidth", 640)


def test_explore_shows_one_kind_at_a_time(page):
    home(page)
    headings = page.locator("#cards h2")
    page.get_by_role("radio", name="Video").check()
    expect(headings).to_have_text(["Video"])
    page.locator("#find textarea").fill("echo")
    expect(page.locator("#cards .placeholder")).to_contain_text("No model under Video matches")
    page.get_by_role("radio", name="All").check()
    expect(headings).to_have_text(["Local"])


def test_explore_leads_to_the_form_of_a_model(page):
    home(page)
    page.locator("#find textarea").fill("echo")
    expect(page.locator("#cards .card")).to_have_count(1)
    page.locator("[data-model='local/echo']").click()
    expect(page).to_have_url(re.compile(r"\?model=local/echo$"))
    expect(page.get_by_label("text *")).to_be_visible()


def test_a_run_gives_its_output_its_times_and_a_link(page):
    form = open_model(page, "echo")
    form.get_by_label("text").fill("Hello from the page")
    run(page)
    expect(status(page, "succeeded")).to_contain_text("compute")
    expect(page.locator("#text")).to_contain_text("Hello from the page")
    link = prediction_id(page)

    page.goto(f"/?prediction={link}")
    expect(page.locator("#text")).to_contain_text("Hello from the page")
    expect(page.get_by_label("text").first).to_have_value("Hello from the page")


def test_run_says_that_it_was_pressed_before_the_app_answers(page):
    open_model(page, "echo").get_by_label("text").fill("on its way")
    held = []
    page.route("**/queue/join*", lambda route: held.append(route), times=1)
    run(page)
    expect(page.locator("#run")).to_have_attribute("aria-busy", "true")
    (start,) = held
    start.continue_()
    status(page, "succeeded")
    expect(page.locator("#run")).not_to_have_attribute("aria-busy", "true")


def test_control_enter_runs_with_what_was_just_typed(page):
    form = open_model(page, "echo")
    form.get_by_label("text").fill("typed first")
    run(page)
    expect(page.locator("#text")).to_contain_text("typed first")
    form.get_by_label("text").fill("typed last")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#text")).to_contain_text("typed last")


def test_tokens_appear_as_they_come_and_survive_a_reload(page):
    form = open_model(page, "counts")
    form.get_by_label("number input for n").fill("100000")
    form.get_by_label("number input for delay").fill("0.05")
    run(page)
    expect(page.locator("#text")).to_contain_text("0 1 2 ")
    expect(status(page, "running")).to_contain_text("tokens")
    expect(page.locator("#run")).to_be_hidden()

    page.reload()
    expect(status(page, "running")).to_contain_text("tokens")
    expect(page.locator("#text")).to_contain_text("0 1 2 ")

    page.locator("#cancel").click()
    status(page, "canceled")
    expect(page.locator("#run")).to_be_visible()


def test_a_closed_page_stops_nothing(page, context):
    form = open_model(page, "counts")
    form.get_by_label("number input for n").fill("40")
    form.get_by_label("number input for delay").fill("0.05")
    run(page)
    link = prediction_id(page)
    page.close()

    again = context.new_page()
    again.goto(f"/?prediction={link}")
    status(again, "succeeded")
    expect(again.locator("#text")).to_contain_text("38 39")


@pytest.mark.heavy
def test_tabs_of_the_browser_are_independent(page, context):
    other = context.new_page()
    open_model(page, "echo").get_by_label("text").fill("here")
    open_model(other, "echo").get_by_label("text").fill("there")
    run(page)
    run(other)
    expect(page.locator("#text")).to_contain_text("here")
    expect(other.locator("#text")).to_contain_text("there")


def test_another_model_redraws_the_form_and_clears_the_output(page):
    form = open_model(page, "echo")
    form.get_by_label("text").fill("gone soon")
    run(page)
    expect(page.locator("#text")).to_contain_text("gone soon")
    page.locator("#model input").fill("counts")
    page.get_by_role("option", name=re.compile("counts")).click()
    expect(form.get_by_label("number input for delay")).to_be_visible()
    expect(page.locator("#text")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?model=local/counts$"))


def test_what_is_typed_into_a_choice_is_looked_for_instead_of_what_was_chosen(page):
    open_model(page, "echo")
    page.locator("#model input").click()
    page.keyboard.type("counts")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?model=local/counts$"))


def test_problems_are_shown_on_their_fields_all_at_once(page):
    form = open_model(page, "every-input")
    form.get_by_label("count").fill("many")
    run(page)
    expect(page.locator("#problem")).to_contain_text("marked in the form")
    expect(form.locator(".invalid")).to_have_count(2)
    expect(form.locator(".invalid", has_text="prompt *")).to_be_visible()

    form.get_by_label("prompt *").fill("now it is there")
    form.get_by_label("count").fill("8")
    run(page)
    status(page, "succeeded")
    expect(form.locator(".invalid")).to_have_count(0)
    expect(page.locator("#output")).to_contain_text("now it is there")


def test_an_empty_picture_is_a_problem_of_its_field_beside_the_others(page, tmp_path):
    (tmp_path / "empty.png").touch()
    form = open_model(page, "every-input")
    form.get_by_role("button", name=re.compile("more")).click()
    settle(page)
    form.locator("input[type=file]").first.set_input_files(tmp_path / "empty.png")
    expect(form.locator("img")).to_have_attribute("src", re.compile("empty"))
    run(page)
    expect(form.locator(".block.invalid.caption")).to_contain_text("This file is empty")
    expect(form.locator(".invalid", has_text="prompt *")).to_be_visible()


def test_the_sheets_of_a_model_tell_how_to_call_it_and_an_example_fills_its_form(page, address):
    page.goto("/?model=starter/shapes")
    page.get_by_role("tab", name="API").click()
    expect(page.locator("#api .snippet").first).to_contain_text(f'base_url="{address}"')
    expect(page.locator("#api .schema")).to_contain_text("num_inference_steps")
    page.get_by_role("tab", name="README").click()
    expect(page.locator("#readme h1")).to_be_visible()
    page.get_by_role("tab", name="Examples").click()
    page.locator("#examples .sample", has_text="yellow star").click()
    prompt = page.get_by_label("prompt").first
    expect(prompt).to_have_value("a big yellow star on a black background")


def test_reset_brings_the_defaults_back(page):
    form = open_model(page, "every-input")
    form.get_by_label("name").first.fill("Grace")
    page.locator("#reset").click()
    expect(form.get_by_label("name").first).to_have_value("Ada")


def test_reset_empties_what_has_no_default(page, tmp_path):
    from PIL import Image

    Image.new("RGB", (60, 40), "white").save(tmp_path / "white.png")
    form = open_model(page, "image-in-out")
    form.locator("input[type=file]").set_input_files(tmp_path / "white.png")
    expect(form.locator("img")).to_be_visible()
    page.locator("#reset").click()
    expect(form.locator("img")).to_have_count(0)


def test_what_was_changed_has_a_dot_that_resets_it_alone(page):
    form = open_model(page, "every-input")
    dots = form.locator(".dot-reset")
    expect(dots).to_have_count(0)
    form.get_by_label("name").first.fill("Grace")
    form.get_by_label("count").fill("8")
    expect(dots).to_have_count(2)
    form.get_by_role("button", name="Reset name").click()
    expect(form.get_by_label("name").first).to_have_value("Ada")
    expect(form.get_by_label("count")).to_have_value("8")
    expect(dots).to_have_count(1)


def test_a_picture_goes_in_and_comes_out(page, tmp_path):
    from PIL import Image

    Image.new("RGB", (60, 40), "white").save(tmp_path / "white.png")
    form = open_model(page, "image-in-out")
    form.locator("input[type=file]").set_input_files(tmp_path / "white.png")
    expect(form.locator("img")).to_be_visible()
    run(page)
    status(page, "succeeded")
    picture = page.locator("#picture img")
    expect(picture).to_be_visible()
    frame = page.locator("#picture").bounding_box()
    # What can be done with it stands inside, whatever its shape.
    assert round(frame["width"] / frame["height"], 2) == 1.5
    expect(picture).to_have_js_property("naturalWidth", 60)
    with page.expect_download() as download:
        page.locator("#save a").click()
    assert download.value.suggested_filename.endswith(".png")


@pytest.mark.heavy
def test_a_result_goes_into_the_form_of_another_model(page):
    page.goto("/?model=starter/shapes")
    expect(page.get_by_label("prompt").first).to_have_value("a red circle on a blue background")
    settle(page)
    run(page)
    expect(page.locator("#status [data-state=succeeded]")).to_be_visible(timeout=100_000)
    page.locator("#send input").click()
    page.get_by_role("option", name="local / image-in-out").click()
    expect(page).to_have_url(re.compile(r"\?model=local/image-in-out$"))
    expect(page.locator("#fields img")).to_be_visible()
    expect(page.locator("#send")).to_be_hidden()
    expect(page.get_by_test_id("toast-body")).to_have_count(0)


def test_a_failure_is_a_sentence_and_its_traceback_one_click_away(page):
    open_model(page, "fails-midway")
    run(page)
    status(page, "failed")
    expect(page.locator("#problem")).to_contain_text("It went wrong midway.")
    expect(page.locator("#text")).to_contain_text("one two")
    page.locator("#logs button").first.click()
    expect(page.locator("#logs textarea")).to_have_value(re.compile("so far so good[^$]*Traceback"))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_run_without_output_says_so(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_model(page, "yields-nothing")
    run(page)
    status(page, "succeeded")
    expect(page.locator("#output").get_by_text("gave no output")).to_be_visible()


def test_what_is_only_seen_has_a_name_for_those_who_do_not_see(page):
    form = open_model(page, "image-in-out")
    expect(form.get_by_role("button", name=re.compile("^image.*: Drop Image Here"))).to_be_visible()
    expect(page.get_by_role("button", name="day or night")).to_be_visible()
    open_model(page, "every-output")
    run(page)
    status(page, "succeeded")
    expect(page.locator("#output").get_by_role("img", name="What the model made")).to_be_visible()


def test_a_crash_does_not_promise_a_traceback(page):
    open_model(page, "exits")
    run(page)
    status(page, "failed")
    expect(page.locator("#problem")).to_contain_text("What it printed is in the logs")


def test_back_leads_to_where_the_person_came_from(page):
    home(page)
    page.locator("[data-model='local/echo']").click()
    expect(page).to_have_url(re.compile(r"\?model=local/echo$"))
    page.go_back()
    expect(page.locator("#cards .card").first).to_be_visible()
    settle(page)
    page.locator("[data-model='local/counts']").click()
    expect(page).to_have_url(re.compile(r"\?model=local/counts$"))
    page.go_back()
    expect(page.locator("#cards .card").first).to_be_visible()


def test_a_tab_is_still_open_after_the_page_is_loaded_again(page):
    home(page)
    page.get_by_role("tab", name="History").click()
    expect(page).to_have_url(re.compile(r"\?tab=history$"))
    page.reload()
    expect(page.get_by_role("tab", name="History", selected=True)).to_be_visible()
    page.get_by_role("tab", name="Run").click()
    expect(page).to_have_url(re.compile(r"/$"))


def test_what_was_typed_is_still_there_when_the_page_is_loaded_again(page):
    form = open_model(page, "every-input")
    form.get_by_label("prompt *").fill("two\nlines")
    form.get_by_label("count").fill("8")
    page.reload()
    expect(form.get_by_label("prompt *")).to_have_value("two\nlines")
    expect(form.get_by_label("count")).to_have_value("8")
    settle(page)
    run(page)
    status(page, "succeeded")
    expect(page.locator("#output")).to_contain_text("two")


@pytest.mark.heavy
def test_what_was_typed_for_one_model_does_not_go_back_to_another(page):
    form = open_model(page, "echo")
    page.locator("#model input").fill("function")
    page.get_by_role("option", name=re.compile("function")).click()
    expect(page).to_have_url(re.compile(r"\?model=local/function$"))
    settle(page)
    form.get_by_label("text").fill("shout it")
    page.go_back()
    expect(page.locator("#model input")).to_have_value("local / echo")
    settle(page)
    expect(form.get_by_label("text")).to_have_value("Hello there")


def test_the_link_to_a_run_is_one_click(page, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_model(page, "yields-nothing")
    run(page)
    status(page, "succeeded")
    page.locator("#share").click()
    expect(page.locator("#share")).to_have_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_objects_are_shown_field_by_field(page):
    open_model(page, "every-output")
    run(page)
    status(page, "succeeded")
    output = page.locator("#output")
    for label in ("text", "score", "picture", "clips", "details"):
        expect(
            output.locator(".caption p", has_text=re.compile(rf"^\s*{label}\s*$"))
        ).to_be_visible()
    expect(output.locator(".picture img")).to_be_visible()


def test_files_can_be_saved(page):
    open_model(page, "files")
    run(page)
    status(page, "succeeded")
    with page.expect_download() as download:
        page.locator("#output .files a").first.click()
    assert download.value.suggested_filename == "file 0.txt"


def test_history_filters_opens_and_fills_the_form_again(page):
    form = open_model(page, "echo")
    form.get_by_label("text").fill("remember the heron")
    run(page)
    status(page, "succeeded")
    rows = history(page)
    page.locator("#of-text textarea").fill("heron")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("echo")
    expect(page.locator("#totals")).to_contain_text("1 run ·")

    rows.first.click()
    expect(rows.first).to_have_attribute("aria-current", "true")
    detail = page.locator("#detail")
    expect(detail.locator(".block.reading")).to_contain_text("remember the heron")
    expect(detail.locator(".block.inputs")).to_contain_text("remember the heron")
    expect(detail.locator(".times")).to_be_visible()

    page.locator("#again").click()
    expect(form.get_by_label("text")).to_have_value("remember the heron")


def test_a_link_to_history_shows_the_rows_with_the_first_answer(page):
    address = "/v1/models/local/echo/predictions"
    assert page.request.post(address, data={"input": {"text": "here"}}).ok

    def first(route):
        """Only what the page asks as soon as it is there is answered."""
        if json.loads(route.request.post_data)["trigger_id"] == 0:
            route.continue_()

    page.route("**/queue/join*", first)
    page.goto("/?tab=history")
    expect(page.locator("#rows .row").first).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("width", [1440, 390])
def test_a_row_far_down_opens_in_view(page, width):
    address = "/v1/models/local/echo/predictions"
    for _ in range(30):
        assert page.request.post(address, data={"input": {"text": "far down " * 1000}}).ok
    home(page)
    rows = history(page)
    page.set_viewport_size({"width": width, "height": 700})
    rows.nth(25).scroll_into_view_if_needed()
    rows.nth(25).click()
    expect(page.locator("#close")).to_be_in_viewport()
    expect(page.locator("#detail .block.reading")).to_be_in_viewport()
    page.locator("#close").click()
    expect(page.locator("#detail")).to_be_hidden()
    expect(rows.nth(25)).to_be_in_viewport()


def test_a_deployment_is_listed_with_the_way_to_its_version(page):
    body = {"name": "calls", "model": "local/echo", "hardware": "cpu"}
    body |= {"min_instances": 0, "max_instances": 2}
    made = page.request.post("/v1/deployments", data=body)
    version = made.json()["current_release"]["version"]
    page.goto("/?tab=models")
    shown = page.locator("#deployments .deployment")
    expect(shown).to_contain_text("atelier/calls")
    expect(shown).to_contain_text("0 to 2 instances")
    expect(shown.locator("a")).to_have_attribute("href", f"/?model=local/echo:{version}")
    assert page.request.delete("/v1/deployments/atelier/calls").ok
    expect(page.locator("#deployments")).to_contain_text("There is none.")


@pytest.mark.heavy
def test_live_rows_move_by_themselves(page, context):
    other = context.new_page()
    form = open_model(other, "counts")
    form.get_by_label("number input for n").fill("100000")
    form.get_by_label("number input for delay").fill("0.1")
    run(other)
    link = prediction_id(other)
    home(page)
    history(page)
    row = page.locator(f"[data-prediction='{link}'] .state")
    expect(row).to_have_text("running")
    other.locator("#cancel").click()
    expect(row).to_have_text("canceled")


@pytest.mark.parametrize("link", ["/", "/?model=local/every-input"])
def test_a_phone_has_one_column_and_no_sideways_scrolling(page, link):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(link)
    expect(
        page.locator("#cards .card, #fields .field").locator("visible=true").first
    ).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if "model" in link:
        box = page.locator("#run").bounding_box()
        assert box["y"] + box["height"] <= 844


def test_a_phone_shows_what_answers_to_run(page):
    page.set_viewport_size({"width": 390, "height": 600})
    form = open_model(page, "every-input")
    form.get_by_role("button", name=re.compile("more")).click()
    settle(page)
    form.get_by_label("prompt *").fill("here")
    page.mouse.wheel(0, 5000)
    run(page)
    status(page, "succeeded")
    expect(page.locator("#output")).to_be_in_viewport()

    form.get_by_label("prompt *").fill("")
    page.mouse.wheel(0, 5000)
    run(page)
    expect(form.locator(".invalid")).to_be_in_viewport()


def test_a_model_opens_with_its_first_example_and_seldom_used_inputs_closed(page):
    page.goto("/?model=starter/shapes")
    expect(page.get_by_label("prompt").first).to_have_value("a red circle on a blue background")
    expect(page.get_by_role("textbox", name="seed")).to_be_hidden()
    settle(page)
    page.locator("#reset").click()
    expect(page.get_by_label("prompt").first).to_have_value("")


def test_the_night_is_remembered(page):
    home(page)
    page.locator("#dark").click()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("dark"))


def test_a_link_to_nothing_says_so(page):
    page.goto("/?prediction=nowhere")
    expect(page.locator("#problem")).to_contain_text("does not exist")
    expect(page.locator("#problem")).to_contain_text("that of starter/shapes instead")
    expect(page.locator("#fields .block").first).to_be_visible()


def test_pictures_that_a_text_names_are_not_fetched_from_elsewhere(page):
    form = open_model(page, "echo")
    form.get_by_label("text").fill("![spy](http://192.0.2.1/spy.png) and words")
    run(page)
    expect(page.locator("#text")).to_contain_text("and words")


def test_the_calls_to_copy_are_those_of_what_the_form_holds(page):
    open_model(page, "echo")
    page.locator("#fields").get_by_label("text").fill("from the form")
    page.get_by_role("tab", name="API", exact=True).click()
    expect(page.locator("#api")).to_contain_text('"text": "from the form"')
    page.get_by_role("tab", name="Playground").click()
    page.locator("#fields").get_by_label("text").fill("anew")
    page.get_by_role("tab", name="API", exact=True).click()
    expect(page.locator("#api")).to_contain_text('"text": "anew"')
