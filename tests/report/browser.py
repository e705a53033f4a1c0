"""The built site in a real browser without a network, as wide as a desktop's window and as a phone: `make test-report`.

The name is not one that pytest collects by itself: the ordinary tests have no browser.
"""

from collections import Counter

import pytest

from lib.report.linkcheck import faults
from lib.report.site import build
from lib.roots import repository
from tests.report.devtools import browser, chromium

WIDTHS = (1200, 390)
ROWS = "Array.from(document.querySelectorAll('#claims tbody tr'))"
FOCUSED = "(e => e.id || e.name || e.dataset.by || e.getAttribute('href') || e.tagName)(document.activeElement)"
REACHABLE = (
    "Array.from(document.querySelectorAll('a[href], button, select, input, summary, [tabindex=\"0\"]'))"
    ".filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)'))"
)
AFTER_FRAMES = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build(repository(), folder)
    return folder


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    try:
        chromium()
    except FileNotFoundError as missing:
        pytest.fail(str(missing))
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def wrong(tab, site) -> list[str]:
    """What is wrong with the open page: complaints, requests that leave the folder, missing pictures, overflow."""
    inside = (site.resolve().as_uri() + "/", "data:")
    found = [f"asks for {address}" for address in tab.requested if not address.startswith(inside)]
    broken = "Array.from(document.images).filter(i => !i.naturalWidth).map(i => i.getAttribute('src'))"
    found += [*tab.complaints, *(f"no picture {source}" for source in tab.value(broken))]
    over = tab.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found + ([f"{over} pixels too wide"] if over > 0 else [])


def tabbed(tab, most: int) -> Counter[str]:
    """Everything that Tab reaches from the top of the page until it comes round."""
    tab.value("document.body.setAttribute('data-tabs', ''); window.reached = new Set(); document.activeElement.blur()")
    for _ in range(most):
        tab.press("Tab")
        if tab.value("document.activeElement === document.body || window.reached.has(document.activeElement)"):
            break
        tab.value("window.reached.add(document.activeElement); true")
    left = f"{REACHABLE}.filter(e => !window.reached.has(e)).map(e => e.outerHTML.slice(0, 120))"
    return Counter(tab.value(left))


def test_every_page_loads_fits_and_asks_for_nothing_elsewhere(tab, site):
    """Each page is loaded as on a phone, and then made as wide as a desktop's window."""
    found, pages = {}, sorted(site.rglob("*.html"))
    for page in pages:
        tab.wide(WIDTHS[1])
        tab.open(page)
        assert tab.value("document.querySelector('h1') !== null"), page
        faults_here = wrong(tab, site)
        tab.wide(WIDTHS[0])
        if faults_here := list(dict.fromkeys([*faults_here, *wrong(tab, site)])):
            found[page.relative_to(site).as_posix()] = faults_here
    assert len(pages) > 150 and found == {}


def test_no_link_is_broken(site):
    assert faults(site) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_formulas_are_drawn_in_their_font(tab, site, width):
    tab.wide(width)
    tab.open(site / "notebooks/JEM/1-energies.html")
    sizes = tab.value("Array.from(document.querySelectorAll('math'), m => [m.getBoundingClientRect().width, "
                      "m.getBoundingClientRect().height])")  # fmt: skip
    assert len(sizes) > 40 and all(w > 4 and h > 8 for w, h in sizes)
    assert tab.value("Array.from(document.fonts).some(f => f.family.includes('Formulas') && f.status === 'loaded')")
    heights = tab.value("Array.from(document.querySelectorAll('math[display=block] mfrac'), "
                        "f => f.getBoundingClientRect().height)")  # fmt: skip
    assert min(heights) > 25, "a fraction is two lines tall"
    tallest = "Math.max(...Array.from(document.querySelectorAll('math[display=block] mo'))" + (
        ".filter(o => o.textContent === '∫').map(o => o.getBoundingClientRect().height))"
    )
    assert tab.value(tallest) > 32, "an integral on a line of its own is a tall one, which only a font for formulas has"
    tab.value("document.querySelector('link[href$=\"formulas.css\"]').disabled = true")
    assert tab.value(tallest) < 32, "without the font it is none, or this test says nothing"


@pytest.mark.parametrize("width", WIDTHS)
def test_filters_filter_and_headings_sort_by_keyboard_alone(tab, site, width):
    tab.wide(width)
    tab.open(site / "index.html")
    every = tab.value(f"{ROWS}.length")
    assert tab.value("document.getElementById('count').textContent") == f"{every} of {every} claims"
    reach(tab, "verdict")
    for letter in "revers":
        tab.press(letter)
    tab.value(AFTER_FRAMES)
    assert tab.value("document.activeElement.value") == "reversed"
    shown = tab.value(f"{ROWS}.filter(r => r.checkVisibility()).map(r => r.dataset.verdict)")
    truth = tab.value(f"{ROWS}.filter(r => r.dataset.verdict === 'reversed').length")
    assert set(shown) == {"reversed"} and len(shown) == truth < every
    assert tab.value("document.getElementById('count').textContent") == f"{truth} of {every} claims"
    reach(tab, "reset")
    tab.press("Enter")
    assert tab.value(f"{ROWS}.filter(r => r.checkVisibility()).length") == every
    reach(tab, "effect")
    for descending in (True, False):
        tab.press("Enter")
        order = [float(e) for e in tab.value(f"{ROWS}.map(r => r.dataset.effect)") if e]
        assert len(order) > 30 and order == sorted(order, reverse=descending)
        told = tab.value("document.querySelector('[data-by=effect]').closest('th').getAttribute('aria-sort')")
        assert told == ("descending" if descending else "ascending")
    assert wrong(tab, site) == []


def reach(tab, name: str) -> None:
    """Press Tab until the focus is on what has this id, name or column."""
    for _ in range(400):
        if tab.value(FOCUSED) == name:
            return
        tab.press("Tab")
    raise AssertionError(f"Tab does not reach {name}")


@pytest.mark.parametrize("column", ["paper", "tier", "data"])
def test_each_other_filter_shows_what_it_says(tab, site, column):
    tab.wide(1200)
    tab.open(site / "index.html")
    select = f"document.querySelector('select[name={column}]')"
    for value in tab.value(f"Array.from({select}.options, o => o.value).slice(1)"):
        tab.value(f"{select}.value = {value!r}; {select}.dispatchEvent(new Event('change')); true")
        shown = tab.value(f"{ROWS}.filter(r => r.checkVisibility()).map(r => r.dataset.{column}.split('|'))")
        hidden = tab.value(f"{ROWS}.filter(r => !r.checkVisibility()).map(r => r.dataset.{column}.split('|'))")
        assert shown and all(value in of for of in shown) and not any(value in of for of in hidden)


def test_a_choice_stays_in_the_address(tab, site):
    tab.wide(1200)
    tab.open(site / "index.html", "#paper=JEM&verdict=reversed&sort=-effect")
    shown = tab.value(f"{ROWS}.filter(r => r.checkVisibility()).map(r => r.dataset.paper + r.dataset.verdict)")
    assert shown and set(shown) == {"JEMreversed"}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "page", ["index.html", "claims/JEM/C13.html", "notebooks/JEM/2-training.html", "papers/JEM.html"]
)
def test_the_keyboard_alone_reaches_everything(tab, site, page, width):
    tab.wide(width)
    tab.open(site / page)
    assert tab.value(f"{REACHABLE}.length") > 10
    assert tabbed(tab, 600) == Counter()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_slider_moves_through_stored_pictures(tab, site, width):
    tab.wide(width)
    tab.open(site / "notebooks/JEM/2-training.html")
    shown = "Array.from(document.querySelectorAll('.film figure')).filter(f => f.checkVisibility())"
    frames = f"{shown}.map(f => f.dataset.value)"
    assert tab.value(frames) == ["100"]
    tab.value("document.querySelector('.film input').focus()")
    tab.press("ArrowLeft")
    assert tab.value(frames) == ["50"]
    tab.press("Home")
    assert (
        tab.value(frames) == ["0"] and tab.value("document.querySelector('.film label').textContent") == "Drag: step 0"
    )


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "asks for https://cdn.example/x.js"),
        ('<img src="none.png" alt="">', "no picture none.png"),
        ("<script>undefined.x</script>", "exception: Uncaught"),
        ('<div style="width: 3000px">x</div>', "pixels too wide"),
    ],
)
def test_a_planted_fault_is_seen(tab, site, planted, told):
    page = site / "planted.html"
    page.write_text(
        (site / "reading.html").read_text(encoding="utf-8").replace("</main>", planted + "</main>"), encoding="utf-8"
    )
    tab.wide(1200)
    tab.open(page)
    found = wrong(tab, site)
    page.unlink()
    assert any(told in fault for fault in found), found
