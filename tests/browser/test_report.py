"""The page of the report in a browser, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.report.page.blocks import Figure, Section, Table, labels
from comodo.report.page.render import write_page
from tests.support.project import Project

pytestmark = pytest.mark.browser
HOSTILE = [
    "<script>document.title = 'run'</script>",
    "=1+1",
    "\u202eright to left",
    "x" * 200,
    "a \"quoted\" & 'b'",
]


def opened(browser: Any, page: Path, width: int = 1400) -> tuple[Any, list[str]]:
    """A tab with the page, and a list of what went wrong in it."""
    tab = browser.new_page(viewport={"width": width, "height": 900})
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    tab.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:", "blob:")) else faults.append(request.url)
        ),
    )
    tab.goto(page.as_uri())
    tab.wait_for_function("[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('svg'))")
    return tab, faults


@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_of_a_run(browser: Any, finished: Project, width: int) -> None:
    results = finished.folder / "results"
    tab, faults = opened(browser, results / "report/index.html", width)
    sections = tab.evaluate("[...document.querySelectorAll('section')].map(section => section.id)")
    assert sections == ["headline", "accuracy", "classes", "data", "time", "provenance"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width

    accuracy = tab.locator("#accuracy table").first
    written = pd.read_csv(results / "report/accuracy.csv")
    assert accuracy.locator("tbody tr").count() == len(written)
    heading = accuracy.locator("th", has_text="top-1, %")
    for order, ascending in (("ascending", True), ("descending", False)):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == order
        shown = [float(text) for text in accuracy.locator("tbody td:nth-child(6)").all_inner_texts()]
        expected = (100 * written["top1"]).sort_values(ascending=ascending)
        assert shown == pytest.approx(expected.tolist(), abs=0.051)
    tab.locator("#accuracy input").first.fill("frozen zero-shot mean")
    assert accuracy.locator("tbody tr:visible").count() == 1

    with tab.expect_download() as started:
        tab.locator("#accuracy [data-csv]").first.click()
    downloaded = pd.read_csv(started.value.path())
    assert sorted(downloaded["top-1, %"]) == pytest.approx(sorted(100 * written["top1"]), abs=1e-3)

    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.locator("#theme").click()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert tab.locator("#theme").get_attribute("aria-pressed") == "true"
    assert faults == []
    tab.close()


@pytest.mark.parametrize("width", [1400, 400])
def test_odd_names_are_inert(browser: Any, tmp_path: Path, width: int) -> None:
    table = pd.DataFrame({"class": HOSTILE, "n": range(len(HOSTILE))})
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": list(range(len(HOSTILE))),
        "y": labels(HOSTILE),
        "name": labels(HOSTILE)[0],
    }
    figure = Figure("f", HOSTILE[0], [bars, bars], {"height": 400}, table, alt=HOSTILE[0])
    section = Section(
        "s", HOSTILE[3], HOSTILE, [figure, Table("t", HOSTILE[4], table)], code={"config": HOSTILE[0]}
    )
    environment = {"about": dict.fromkeys(HOSTILE, HOSTILE[0]), "rules": []}
    write_page(tmp_path / "page.html", "title", [section], environment)
    tab, faults = opened(browser, tmp_path / "page.html", width)
    assert tab.title() == "title"
    assert tab.locator("section script").count() == 0
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert HOSTILE[0] in tab.locator("pre").inner_text()
    with tab.expect_download() as started:
        tab.locator("[data-csv]").last.click()
    assert "'=1+1" in started.value.path().read_text()
    assert faults == []
    tab.close()
