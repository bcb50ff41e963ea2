"""Opens a report in headless Chromium and uses it as a reader would; exits with 1 if something fails.

    pip install selenium
    cargo run -p tapetum-evaluate --example report -- out
    python tools/check_report.py out/report.html [--driver chromedriver] [--pictures FOLDER]

Drags the slider, presses arrow keys, changes the pair, sorts by mouse and by keyboard, filters pictures,
chooses a histogram, checks that nothing is fetched or logged, that nothing sticks out sideways at three
widths, that text has the contrast of WCAG AA in light and dark, and that all is readable without scripts.
"""

import argparse
import pathlib
import sys

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

FAILURES = []


def check(what, holds, seen=""):
    print(f"{'ok  ' if holds else 'FAIL'} {what} {seen}")
    if not holds:
        FAILURES.append(what)


def browser(driver, scripts=True):
    options = webdriver.ChromeOptions()
    for flag in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]:
        options.add_argument(flag)
    if not scripts:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2}
        )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def resize(page, width, height=900):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )


def set_scheme(page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def show(page, element):
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)


def cut(page, figure):
    """Where the left picture ends, in percent, by the clip that is really applied."""
    left = figure.find_element(By.CSS_SELECTOR, ".view.left")
    clip = page.execute_script("return getComputedStyle(arguments[0]).clipPath", left)
    # Computed as `inset(0px calc(100% - 20%) 0px 0px)` or `inset(0px 80% 0px 0px)`.
    numbers = [part.strip("calc()-%") for part in clip.split() if "%" in part]
    return float(numbers[-1]) if "calc" in clip else 100 - float(numbers[-1])


def use_slider(page):
    figure = next(
        f for f in page.find_elements(By.CSS_SELECTOR, "figure[data-kind]")
        if f.find_elements(By.CSS_SELECTOR, "[data-role=reference]")
    )
    slider = figure.find_element(By.CSS_SELECTOR, "input[type=range]")
    show(page, slider)
    check("the slider starts in the middle", cut(page, figure) == 50)
    width = slider.size["width"]
    ActionChains(page).move_to_element(slider).click_and_hold().move_by_offset(
        int(-0.3 * width), 0
    ).release().perform()
    dragged = cut(page, figure)
    check("dragging moves the cut under the pointer", abs(dragged - 20) <= 2, dragged)
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    check("arrow keys move the cut", cut(page, figure) == dragged + 3, cut(page, figure))
    text = slider.get_attribute("aria-valuetext")
    check("the slider says where it stands", "Low" in text and "Enhanced" in text, text)
    outline = page.execute_script(
        "return getComputedStyle(arguments[0]).outlineStyle",
        figure.find_element(By.CSS_SELECTOR, ".stage"),
    )
    check("keyboard focus is seen", outline == "solid", outline)
    for role in ["reference", "error"]:
        number = ["low", "reference", "error"].index(role)
        figure.find_elements(By.CSS_SELECTOR, ".pairs input")[number].click()
        left = figure.find_element(By.CSS_SELECTOR, ".view.left").get_attribute("data-role")
        check(f"the left side turns to {role}", left == role, left)
    before = figure.size["width"]
    enlarge = figure.find_element(By.CSS_SELECTOR, ".enlarge")
    show(page, enlarge)
    enlarge.click()
    check("enlarging enlarges", figure.size["width"] > 1.5 * before, figure.size["width"])
    show(page, enlarge)
    enlarge.click()


def touch_slider(page):
    """A finger on a narrow screen."""
    resize(page, 400)
    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    figure = page.find_element(By.CSS_SELECTOR, "figure[data-kind]")
    slider = figure.find_element(By.CSS_SELECTOR, "input[type=range]")
    show(page, slider)
    box = page.execute_script("return arguments[0].getBoundingClientRect().toJSON()", slider)
    height = box["y"] + box["height"] / 2
    for kind, share in [("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.75)]:
        point = {"x": box["x"] + share * box["width"], "y": height}
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    check("a finger moves the cut", abs(cut(page, figure) - 75) <= 3, cut(page, figure))
    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    resize(page, 1280)


def column_of(page, table, index):
    script = (
        "return [...arguments[0].tBodies[0].rows].map(r => "
        "r.cells[arguments[1]].firstChild.textContent.trim().replaceAll('\u2212', '-'))"
    )
    return page.execute_script(script, table, index)


def sort_tables(page):
    table = page.find_element(By.CSS_SELECTOR, "table.means")
    button = table.find_elements(By.CSS_SELECTOR, "thead tr:nth-child(2) th button")[0]
    show(page, button)
    head = button.find_element(By.XPATH, "..")
    button.click()
    values = [float(v) for v in column_of(page, table, 1)]
    check("a click sorts, the best first", values == sorted(values, reverse=True), values)
    check("the heading says so", head.get_attribute("aria-sort") == "descending")
    button.send_keys(Keys.ENTER)
    values = [float(v) for v in column_of(page, table, 1)]
    check("a key turns the order round", values == sorted(values), values)
    check("the heading says so too", head.get_attribute("aria-sort") == "ascending")
    contestant = table.find_element(By.CSS_SELECTOR, "thead tr:first-child th button")
    contestant.send_keys(Keys.SPACE)
    names = column_of(page, table, 0)
    check("names sort as text", names == sorted(names, key=str.lower), names)
    for details in page.find_elements(By.CSS_SELECTOR, "#images details"):
        page.execute_script("arguments[0].open = true", details)
    singles = page.find_element(By.CSS_SELECTOR, "table.singles")
    last = singles.find_elements(By.CSS_SELECTOR, "thead tr:nth-child(2) th button")[-1]
    n_columns = len(singles.find_elements(By.CSS_SELECTOR, "thead tr:nth-child(2) th"))
    show(page, last)
    last.click()
    values = [float(v) for v in column_of(page, singles, n_columns + 1)]
    check("single images sort by their last score", values == sorted(values), values[:4])


def choose(page):
    Select(page.find_element(By.CSS_SELECTOR, "[data-filter=set]")).select_by_index(1)
    Select(page.find_element(By.CSS_SELECTOR, "[data-filter=contestant]")).select_by_index(2)
    Select(page.find_element(By.CSS_SELECTOR, "[data-filter=kind]")).select_by_index(1)
    figures = page.find_elements(By.CSS_SELECTOR, "figure[data-kind]")
    shown = [figure for figure in figures if figure.is_displayed()]
    check("filters leave one picture", len(shown) == 1, f"{len(shown)} of {len(figures)}")
    for name in ["set", "contestant", "kind"]:
        Select(page.find_element(By.CSS_SELECTOR, f"[data-filter={name}]")).select_by_index(0)
    check("and give all back", all(figure.is_displayed() for figure in figures))
    section = page.find_element(By.CSS_SELECTOR, ".distribution:has(select)")
    Select(section.find_element(By.TAG_NAME, "select")).select_by_index(1)
    plots = [p.is_displayed() for p in section.find_elements(By.CSS_SELECTOR, ".plot")]
    check("one histogram is shown, the chosen one", plots[1] and sum(plots) == 1, plots)


CONTRASTS = """
const luminance = c => { const [r, g, b] = c.map(v => { v /= 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const parse = text => text.match(/[\\d.]+/g).map(Number);
const behind = e => { for (; e; e = e.parentElement) {
  const c = parse(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
const worst = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.checkVisibility() || e.closest('script,style')) continue;
  const style = getComputedStyle(e);
  const color = e.closest('svg') ? style.fill : style.color;
  const a = luminance(parse(color)), b = luminance(behind(e));
  worst.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName + '.' + e.className]);
}
return worst.sort((x, y) => x[0] - y[0])[0];
"""


def look(page, folder):
    for scheme in ["light", "dark"]:
        set_scheme(page, scheme)
        ratio, where = page.execute_script(CONTRASTS)
        check(f"text stands out in {scheme}", ratio >= 4.5, f"{ratio:.2f} {where}")
        for width in [1280, 400, 360]:
            resize(page, width)
            wide = page.execute_script("return document.documentElement.scrollWidth")
            check(f"nothing sticks out at {width} px", wide <= width, wide)
            if folder:
                for name in ["top", "results", "pictures", "distributions", "images", "provenance"]:
                    script = "document.getElementById(arguments[0])?.scrollIntoView({behavior: 'instant'})"
                    page.execute_script("scrollTo({top: 0, behavior: 'instant'})")
                    page.execute_script(script, name)
                    page.save_screenshot(str(folder / f"{scheme}-{width}-{name}.png"))
    set_scheme(page, "light")
    resize(page, 1280)


def without_scripts(driver, address):
    page = browser(driver, scripts=False)
    page.get(address)
    pictures = page.find_elements(By.CSS_SELECTOR, ".stage img")
    check("without scripts all pictures are there", all(p.is_displayed() for p in pictures), len(pictures))
    check("and tables", page.find_element(By.CSS_SELECTOR, "table.means").is_displayed())
    selects = page.find_elements(By.TAG_NAME, "select")
    check("and no dead controls", not any(s.is_displayed() for s in selects), len(selects))
    page.quit()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--driver", default="chromedriver")
    parser.add_argument("--pictures", type=pathlib.Path, help="folder for screenshots")
    arguments = parser.parse_args()
    address = arguments.report.resolve().as_uri()
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)

    page = browser(arguments.driver)
    resize(page, 1280)
    page.get(address)
    use_slider(page)
    touch_slider(page)
    sort_tables(page)
    choose(page)
    look(page, arguments.pictures)
    log = page.get_log("browser")
    check("the browser has no complaint", not log, log[:2])
    fetched = [e for e in page.get_log("performance") if '"Network.requestWillBeSent"' in e["message"]]
    outside = [e for e in fetched if '"url":"http' in e["message"]]
    check("nothing is fetched", not outside, len(outside))
    page.quit()
    without_scripts(arguments.driver, address)
    sys.exit(1 if FAILURES else 0)


if __name__ == "__main__":
    main()
