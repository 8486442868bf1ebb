// Search, keys, buttons and sorting; at the end all of it is set going.

const said = byId("said");

let waiting = 0;
search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(seek, attempts.length > 3000 ? 120 : 0);
});
search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
    if (event.key !== "Enter") return;
    const hits = attempts.filter((attempt) => attempt.isFound && attempt.isShown);
    const next = hits.find((attempt) => chosen.focused && attempt.index > chosen.focused.index) || hits[0];
    if (next) focusOn(next);
});

/** Move the keyboard's mark. */
function focusOn(attempt, lane = attempt.lanes[0]) {
    chosen.focused = attempt;
    chosen.laneOfFocus = lane;
    reveal(attempt);
    redraw();
    said.textContent = `${attempt.test.id}: ${facts(attempt)
        .map(([name, text]) => `${name} ${text}`)
        .join("; ")}`;
    if (document.activeElement === scroll) {
        const box = canvas.getBoundingClientRect(),
            place = boxOf(attempt, lane);
        tipOf(
            attempt,
            box.left + clamp(place.left, 0, size.width - 20),
            box.top + place.bottom - 10 + size.top - scroll.scrollTop,
        );
    }
}

/** The attempt beside the marked one: along its lane, or in the next lane at the same time. */
function neighbour(along, across) {
    const now = chosen.focused,
        nearest = (lane, time) =>
            lane.attempts
                .filter((a) => a.isShown)
                .reduce(
                    (best, a) => (!best || Math.abs(a.start - time) < Math.abs(best.start - time) ? a : best),
                    null,
                );
    if (!now) {
        const lane = lanes.find((each) => each.attempts.some((a) => a.isShown));
        return lane ? [nearest(lane, view.from), lane.index] : null;
    }
    if (along) {
        const row = lanes[chosen.laneOfFocus].attempts.filter((a) => a.isShown || a === now);
        const next = row[row.indexOf(now) + along];
        return next ? [next, chosen.laneOfFocus] : null;
    }
    for (let lane = chosen.laneOfFocus + across; lane >= 0 && lane < lanes.length; lane += across) {
        const next = nearest(lanes[lane], now.start);
        if (next) return [next, lane];
    }
    return null;
}

const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
scroll.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = chosen.focused
        ? clamp((chosen.focused.start + chosen.focused.end) / 2, view.from, view.to)
        : undefined;
    if (event.shiftKey && event.key in moves) pan(moves[event.key][0] * 0.25);
    else if (event.key in moves) {
        const next = neighbour(...moves[event.key]);
        if (next) focusOn(...next);
    } else if (event.key === "+" || event.key === "=") zoom(STEP, middle);
    else if (event.key === "-") zoom(1 / STEP, middle);
    else if (event.key === "0" || event.key === "Home") show(0, LENGTH);
    else if (event.key === "Enter" && chosen.focused) choose(chosen.focused.test, chosen.focused);
    else return;
    event.preventDefault();
});
scroll.addEventListener("blur", hideTip);
document.addEventListener("keydown", (event) => {
    if (event.target.matches?.("input")) return;
    if (event.key === "/" && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        search.focus();
    }
    if (event.key === "Escape") clear();
});

function toggle(button) {
    const isOn = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isOn));
    return isOn;
}
for (const chip of document.querySelectorAll(".chip[data-outcome]")) {
    chip.addEventListener("click", () => {
        const isOn = toggle(chip);
        for (const attempt of attempts) if (attempt.outcome === chip.dataset.outcome) attempt.isShown = isOn;
        seek();
    });
}
document.querySelector("[data-layer=waits]").addEventListener("click", (event) => {
    layers.waits = toggle(event.currentTarget);
    redraw();
});
byId("critical").hidden = !packed.critical.length;
byId("critical").addEventListener("click", (event) => {
    layers.critical = toggle(event.currentTarget);
    redraw();
});
byId("every").addEventListener("click", (event) => {
    isWhole = toggle(event.currentTarget);
    chosen.test = null;
    tell();
});
byId("in").addEventListener("click", () => zoom(STEP));
byId("out").addEventListener("click", () => zoom(1 / STEP));
byId("reset").addEventListener("click", () => show(0, LENGTH));
for (const span of document.querySelectorAll(".test[data-attempt]"))
    linked(span, attempts[Number(span.dataset.attempt)]);

/** Columns of a table sort it: numbers from the greatest, words from the first; then the other way round. */
for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
        const button = element("button", head.textContent);
        button.type = "button";
        head.replaceChildren(button);
        button.addEventListener("click", () => {
            const isNumber = head.classList.contains("n");
            const isUp = head.hasAttribute("aria-sort")
                ? head.getAttribute("aria-sort") !== "ascending"
                : !isNumber;
            for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
            head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
            const value = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent;
            const order = (a, b) =>
                isNumber
                    ? value(a) - value(b)
                    : value(a).localeCompare(value(b), undefined, { numeric: true });
            table.tBodies[0].append(
                ...[...table.tBodies[0].rows].sort((a, b) => (isUp ? order(a, b) : order(b, a))),
            );
        });
    });
}

for (const part of document.querySelectorAll(".moving")) part.hidden = false;
for (const chip of document.querySelectorAll(".chip")) chip.disabled = false;
// Here the arrow keys are ours; those who read the page with its tables alone find all of it there.
scroll.setAttribute("role", "application");
scroll.setAttribute("aria-roledescription", "timeline");
byId("over").hidden = glass.hidden = false;
document.body.classList.add("live");
const refresh = () => {
    measure();
    redraw();
};
readColours();
measure();
drawLanes();
drawOverview();
scroll.addEventListener("scroll", () => {
    chosen.hovered = null;
    hideTip();
    redraw();
});
new ResizeObserver(refresh).observe(scroll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    redraw();
});
